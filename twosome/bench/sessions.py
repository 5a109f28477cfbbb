"""Sessions at the desk, played and taken down: what was asked where, and what was answered from what."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from twosome.config.schema import EnvSettings
    from twosome.protocols import Policy
    from twosome.rollout.checked_env import World

TOGETHER = 16
FIRST = 500_000  # of the numbers of the sessions to be played: those of training are drawn from all, so hardly ever met


class Turn(NamedTuple):
    """A decision: the question's position in its session, and what the action was chosen by.

    known: what tells the answer, `advised`, `noted`, `table` (a question that the table answers, all of it looked up),
    or `nothing`. action: `ask`, `right` or `wrong` for an answer, `other`.
    """

    position: int
    known: str
    action: str


class Played(NamedTuple):
    """One session: its return, what the best play earns on it, and what was done."""

    returned: float
    best: float
    turns: tuple[Turn, ...]


def play(policy: Policy, env: EnvSettings, n: int, seed: int, *, split: str, greedy: bool = False) -> list[Played]:
    """Let a policy play n sessions of a split's words, and the best player the same ones."""
    import torch

    from twosome.rollout.checked_env import World
    from twosome.rollout.driver import Tolerance, drive

    generator = None if greedy else torch.Generator().manual_seed(seed)
    waiting, finished = [FIRST + k for k in range(n)], []
    while waiting:
        numbers, waiting = waiting[:TOGETHER], waiting[TOGETHER:]
        worlds = [World(session_of(env, number, split), policy, seed, 0) for number in numbers]
        taken: dict[int, list[Turn]] = {id(world): [] for world in worlds}
        best = {id(world): shown(world.settings, "best") for world in worlds}
        for world in worlds:
            world.reset()
        going = worlds
        while going:
            known = [known_of(world) for world in going]
            done = drive(going, policy, generator, Tolerance())
            for (world, decision, _, action, *_), (position, source, right) in zip(done, known, strict=True):
                phrase = decision.menu[action]
                what = "ask" if phrase.startswith("ask") else "other"
                if phrase.startswith("say "):
                    what = "right" if phrase == right else "wrong"
                taken[id(world)].append(Turn(position, source, what))
            for transition in done:
                if transition.step is not None and (episode := transition.step.episode) is not None:
                    key = id(transition.world)
                    finished.append(Played(episode.discounted_return, best[key], tuple(taken[key])))
            going = [world for world in going if not world.is_over]
        for world in worlds:
            world.close()
    return finished


def session_of(env: EnvSettings, number: int, split: str, **changes: Any) -> EnvSettings:
    """The settings of the desk at which one session is played."""
    return dataclasses.replace(env, kwargs={**env.kwargs, "split": split, "session": number, **changes})


def ends(env: EnvSettings, n: int, *, split: str) -> dict[str, float]:
    """What is earned on average by who never asks, and by who always asks where nothing else tells the answer."""
    numbers = range(FIRST, FIRST + n)
    return {
        name: statistics.fmean(shown(session_of(env, number, split), name) for number in numbers)
        for name in ("never", "always")
    }


def shown(env: EnvSettings, how: str) -> float:
    """The return of a session that is played as the desk demonstrates."""
    from twosome.rollout.contract import make_env

    made = make_env(dataclasses.replace(env, kwargs={**env.kwargs, "demonstrates": how}))
    desk: Any = made.unwrapped
    _, info = made.reset(seed=0)
    while "episode" not in info:
        *_, info = made.step(desk.demonstrate(0))
    return float(info["episode"]["r"])


def known_of(world: World) -> tuple[int, str, str]:
    """Position of the present question, what tells its answer, and the phrase of the right one."""
    desk: Any = world.env.unwrapped
    question = desk.desk.question
    is_care = question.topic >= 0
    if desk.kept.advice is not None:
        source = "advised"
    elif is_care:
        source = "nothing" if desk.remembered is None else "noted"
    else:
        source = "table" if sum(desk.left_by_the_table) == 1 else "nothing"
    return desk.desk.plan.n - desk.desk.left, source, f"say {question.answers[question.right]}"


def answers(played: Iterable[Played]) -> dict[str, float | None]:
    """Of the answers that something told, the share that was right, by what told it; None where there was none."""
    turns = [turn for p in played for turn in p.turns if turn.action in ("right", "wrong")]
    found: dict[str, float | None] = {}
    for source in ("table", "noted", "advised"):
        own = [turn.action == "right" for turn in turns if turn.known == source]
        found[source] = sum(own) / len(own) if own else None
    return found


def asking(played: list[Played], n: int) -> list[float]:
    """How often was asked at every question of a session: [n]."""
    counts = [0] * n
    for p in played:
        for turn in p.turns:
            counts[turn.position] += turn.action == "ask"
    return [count / len(played) for count in counts]
