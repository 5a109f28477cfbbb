"""Answers beyond a menu that is scored whole: how often the right one is on a shortlist, or among free proposals.

The questions are those of the best player's sessions whose answer the scene tells; a frozen model chooses among answers
to all kinds of questions: by scoring all of them, by beams of several widths, and by what it writes of itself.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from twosome.bench.runs import Job, check_numbers
from twosome.bench.sessions import FIRST, known_of, session_of

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.agents.llm_policy import LLMPolicy
    from twosome.config.schema import EnvSettings, TrainSettings
    from twosome.types import Observation

SPLITS = ("test", "train")


class Asked(NamedTuple):
    """A question: what tells its answer, what the scene shows, and the phrase of the right answer."""

    known: str
    observation: Observation
    right: str


def jobs(cfg: DictConfig) -> list[Job]:
    """Every model once: nothing is learnt."""
    return [(model, 0) for model in cfg.answers.models]


def asked(cfg: DictConfig, model: str, seed: int) -> dict[str, Any]:
    """What a measurement depends on. Raises `ConfigError` for a model, override or number that cannot be."""
    check_numbers(cfg.answers, sessions=1, candidates=1, k=1)
    settings_of(cfg, model, seed)
    how = {name: cfg.answers[name] for name in ("sessions", "candidates", "k")}
    return {**how, "widths": list(cfg.answers.widths), "overrides": list(cfg.overrides)}


def settings_of(cfg: DictConfig, model: str, seed: int) -> TrainSettings:
    """The settings of a frozen model at the desk. Raises `ConfigError` for a model or override that does not exist."""
    from twosome.config.compose import compose

    return compose([f"experiment={cfg.experiments.ppo}", f"model={model}", f"seed={seed}", *cfg.overrides])


def measure(cfg: DictConfig, folder: Any, model: str, seed: int) -> dict[str, Any]:
    """For every question whether the right answer was found, by each way; and what a question cost."""
    from twosome.systems.build import build_policy

    settings, how = settings_of(cfg, model, seed), cfg.answers
    questions = told_questions(settings.env, how.sessions)
    known = [*(question.right for question in questions), *answers_of(settings.env, how.candidates)]
    answers = tuple(dict.fromkeys(known))[: how.candidates]
    ways = Ways(build_policy(settings, adapter=False), answers, how.k)
    ways.all(questions[0])  # the equivalence check, whose passes are no question's
    ways.cost.clear()
    rows = []
    for question in questions:
        found = {"all": ways.all(question), **{f"beam {w}": ways.beam(question, w) for w in how.widths}}
        rows.append({"known": question.known, **found, "proposals": ways.proposals(question)})
    per = {way: [total / len(rows) for total in totals] for way, totals in ways.cost.items()}
    return {"k": how.k, "candidates": len(answers), "rows": rows, "cost": per}


class Ways:
    """The ways to choose from many answers, with what they cost: passes, tokens and seconds of each so far."""

    def __init__(self, policy: LLMPolicy, answers: tuple[str, ...], k: int):
        from twosome.lm.scorers import forward_at

        self.policy, self.answers, self.k = policy, answers, k
        self.cost: dict[str, list[float]] = {}
        self._passed: list[int] = []

        def counted(lm: Any, ids: Any, *rest: Any, **cache: Any) -> Any:
            self._passed.append(ids.numel())
            return forward_at(lm, ids, *rest, **cache)

        policy.engine.forward = counted

    def all(self, question: Asked) -> bool:
        """Every answer scored."""
        from twosome.types import Decision

        began = time.perf_counter()
        engine, state = self.policy.engine, self.policy.prompter.plain(question.observation)
        [row] = engine.complete([Decision.plain(state, self.answers)], engine.menu_passes)
        best = row.topk(min(self.k, len(row))).indices.tolist()
        return self._found("all", began, question, [self.answers[i] for i in best])

    def beam(self, question: Asked, width: int) -> bool:
        """A beam of this width."""
        from twosome.lm.candidates import best_candidates

        began = time.perf_counter()
        state = self.policy.prompter.plain(question.observation)
        best = best_candidates(self.policy.engine, state, self.answers, self.k, width)
        return self._found(f"beam {width}", began, question, [self.answers[found.position] for found in best])

    def proposals(self, question: Asked) -> bool:
        """What the model writes, whose passes are transformers' own and not counted."""
        began = time.perf_counter()
        return self._found("proposals", began, question, self.policy.propose(question.observation, self.k))

    def _found(self, way: str, began: float, question: Asked, best: Any) -> bool:
        spent = (len(self._passed), sum(self._passed), time.perf_counter() - began)
        self._passed.clear()
        self.cost[way] = [old + new for old, new in zip(self.cost.get(way, (0, 0, 0)), spent, strict=True)]
        return question.right in best


def told_questions(env: EnvSettings, n: int) -> list[Asked]:
    """The questions of n sessions of the best player's that something tells the answer to, where it answers."""
    from twosome.rollout.checked_env import World
    from twosome.systems.baselines.random import RandomPolicy

    found = []
    for number in range(FIRST, FIRST + n):
        world = World(session_of(env, number, "test", demonstrates="best"), RandomPolicy(), 0, 0)
        world.reset()
        while not world.is_over:
            desk: Any = world.env.unwrapped
            position = world.menu.indices.index(desk.demonstrate(0))
            _, known, right = known_of(world)
            if known != "nothing" and world.menu.phrases[position].startswith("say "):
                found.append(Asked(known, world.observation, right))
            world.step(position)
        world.close()
    return found


def answers_of(env: EnvSettings, n: int) -> list[str]:
    """The first n answers that are on offer in sessions of all words."""
    from twosome.rollout.contract import make_env

    found: dict[str, None] = {}
    for number in itertools.count(FIRST):
        for split in SPLITS:
            made = make_env(session_of(env, number, split))
            made.reset(seed=0)
            desk: Any = made.unwrapped
            found |= dict.fromkeys(f"say {it}" for question in desk.session.questions for it in question.answers)
            made.close()
        if len(found) >= n:
            return list(found)[:n]
    raise AssertionError  # there is always another session


def table(found: dict[Job, Any]) -> str:
    """How often the right answer is among k, by what tells it; then what a question costs."""
    lines = []
    for (model, _), result in found.items():
        ways = [name for name in result["rows"][0] if name != "known"]
        lines += [
            f"{model}: the right answer among {result['k']}, of {result['candidates']:,}",
            "",
            f"| told by | questions | {' | '.join(ways)} |",
            "|---" * (2 + len(ways)) + "|",
        ]
        for known in ("table", "noted", "advised", "all of them"):
            rows = [row for row in result["rows"] if known in (row["known"], "all of them")]
            shares = [f"{sum(row[way] for row in rows) / len(rows):.3f}" if rows else "-" for way in ways]
            lines.append(f"| {known} | {len(rows)} | {' | '.join(shares)} |")
        lines += ["", "| way | passes | tokens | seconds |", "|---|---|---|---|"]
        for way, (passes, tokens, seconds) in result["cost"].items():
            counts = "- | -" if way == "proposals" else f"{passes:.1f} | {tokens:,.0f}"
            lines.append(f"| {way} | {counts} | {seconds:.3f} |")
    return "\n".join(lines) + "\n"
