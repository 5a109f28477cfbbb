"""The records of a world's situation: what a step gave, what a snapshot holds, where a fault happened. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

from twosome.config.schema import EnvSettings
from twosome.errors import EnvironmentFault
from twosome.protocols import Identified, Restorable
from twosome.rollout import transcript
from twosome.types import Episode, Menu

AFTER_THE_END = Menu(("wait",), (0,))  # an ended episode has no menu; its last state still has a value
SHOWN_ACTIONS = 24  # in a message; the transcript has all
STATELESS = (OrderEnforcing, PassiveEnvChecker)  # wrappers that a snapshot of the environment inside may ignore

Wrap = Callable[[gymnasium.Env], gymnasium.Env]


class Step(NamedTuple):
    """What a step of a world gave: the checked numbers, the state that it led to, and the episode if it is over."""

    reward: float
    duration: int
    terminated: bool
    truncated: bool
    state: str
    episode: Episode | None


class WorldSnapshot(NamedTuple):
    """A world's situation, hashable.

    `env`: of the environment, None where the episode is replayed; the rest is counted here.
    """

    env: Hashable | None
    episode: int
    actions: tuple[int, ...]
    events: tuple[str, ...]  # as JSON
    lines: tuple[str, ...]
    discounted_return: float
    length: int
    is_over: bool


class Place(NamedTuple):
    """Which episode of which world; `seed` is the run's, `episode_seed` that of the episode."""

    settings: EnvSettings
    seed: int
    world: int
    episode: int
    episode_seed: int


def episode_seed(seed: int, world: int, episode: int) -> int:
    """The seed of an episode of a world; `seed` is the run's."""
    return int(np.random.SeedSequence([seed, world, episode]).generate_state(1)[0])


def environment_fault(what: str, place: Place, actions: Sequence[int], lines: Sequence[str]) -> EnvironmentFault:
    """The fault of an environment that did `what`, after these `actions`; `lines`: its episode as a transcript."""
    shown = str(list(actions[-SHOWN_ACTIONS:]))
    if len(actions) > SHOWN_ACTIONS:
        shown = f"the last {SHOWN_ACTIONS} of {len(actions)}, {shown}"
    fault = EnvironmentFault(
        f"Environment {place.settings.id} {what}. It happened at step {len(actions)} of episode {place.episode} of "
        f"world {place.world} (run seed {place.seed}, episode seed {place.episode_seed}); the actions that led there: "
        f"{shown}."
    )
    fault.name = f"seed{place.seed}-world{place.world}-episode{place.episode}-step{len(actions)}"
    end = f"fault: {transcript.one_line(str(fault))}"
    fault.transcript = transcript.joined([*transcript.head(place.settings, place.episode_seed), *lines, "", end])
    return fault


def restorable(env: gymnasium.Env) -> Restorable | None:
    """The environment itself, where it can go back and nothing around it has a state of its own."""
    inner = env
    while isinstance(inner, STATELESS):
        inner = inner.env
    return inner if inner is env.unwrapped and isinstance(inner, Restorable) else None


_IDENTIFIED: dict[type, bool] = {}  # what a class has takes long to find out, and stays


def is_identified(snapshot: Any) -> bool:
    """Whether a snapshot tells its state, as far as its class does."""
    kind = type(snapshot)
    if kind not in _IDENTIFIED:
        _IDENTIFIED[kind] = isinstance(snapshot, Identified)
    return _IDENTIFIED[kind]
