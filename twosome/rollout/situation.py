"""The records of a world's situation: what a step gave, what a snapshot holds, where a fault happened. Pure."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import gymnasium
import numpy as np
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

from twosome.config.schema import EnvSettings
from twosome.errors import ContextLengthError, EnvironmentFault
from twosome.protocols import Identified, Policy, Restorable, Shortlists
from twosome.rollout import transcript
from twosome.rollout.contract import Violation, short, told
from twosome.rollout.contract_end import check_success, check_summary, check_tally
from twosome.types import Decision, Episode, Menu, Observation, Reference

log = logging.getLogger(__name__)

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
    closes: bool | None
    hint: float
    reference: Reference | None
    cost: float
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


class StateKey:
    """A state of an environment as a key of mappings, which raises nothing there: its hash is taken once.

    What comparing raises is put down in `noted`, and the states count as different; `seconds` that it may take.
    """

    __slots__ = ("_hash", "noted", "seconds", "state")

    def __init__(self, state: Hashable, noted: list[str], seconds: float | None):
        self.state, self.noted, self.seconds = state, noted, seconds
        self._hash = hash(state)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StateKey) or self._hash != other._hash:
            return False
        if self.state is other.state:
            return True
        try:
            with told(" when the states of its snapshots were compared", seconds=self.seconds):
                return bool(self.state == other.state)
        except Violation as violation:
            self.noted[:] = self.noted or [str(violation)]
            return False


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


def offered(policy: Policy, observation: Observation, menu: Menu) -> Menu:
    """What of a menu a policy is asked about. Raises as `Policy.decide` does."""
    return cast(Shortlists, policy).shortlist(observation, menu) if _has_shortlist(type(policy)) else menu


@functools.lru_cache(maxsize=100)
def _has_shortlist(kind: type) -> bool:
    return issubclass(kind, Shortlists)


def decide(policy: Policy, observation: Observation, menu: Menu, *, may_cut: bool) -> Decision:
    """What the policy is asked in a state. Raises as `Policy.decide` does.

    `may_cut`: nothing needs the state itself, as after a terminal step: a scene that is too long is cut from the front.
    """
    while True:
        try:
            return policy.decide(observation, menu)
        except ContextLengthError:
            scene = observation["scene"]
            if not may_cut or len(scene) < 2:
                raise
            observation = {**observation, "scene": scene[-(len(scene) // 2) :]}


@functools.lru_cache(maxsize=1000)
def _warn_once(text: str) -> None:
    log.warning(text)


def true_return(settings: EnvSettings, got: float, counted: float) -> float:
    """The discounted return of an episode: what the environment's summary gives, if its rewards come to that.

    Else what was `counted`, and a warning, once: such a summary would choose the best checkpoint and end the run.
    """
    if math.isclose(got, counted, rel_tol=1e-3, abs_tol=1e-3):
        return got
    _warn_once(
        f"{settings.id} gives info['episode']['r'] otherwise than its rewards, discounted by "
        f"env.gamma={settings.gamma:g}, come to. Is it undiscounted, as that of gymnasium's RecordEpisodeStatistics, "
        "or discounted by another gamma? What the rewards come to is used."
    )
    return counted


def ended(
    settings: EnvSettings, info: Mapping[str, Any], terminated: bool, counted: float, length: int, decisions: int
) -> Episode:
    """The episode that has ended with this `info`; return and length `counted` from its steps. Raises `Violation`."""
    discounted_return, length = check_summary(info, counted, length)
    success = check_success(info, terminated)
    returned = true_return(settings, discounted_return, counted)
    return Episode(returned, length, decisions, success, check_tally(info))


def tally_mean(episodes: list[Episode]) -> dict[str, float]:
    """What the episodes counted, on average over those that counted it."""
    found: dict[str, list[float]] = {}
    for name, value in (entry for e in episodes for entry in e.tally):
        found.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in sorted(found.items())}


def must_be_path(state: Mapping[str, Any]) -> None:
    """Raise `ValueError` for what is no way to a state: actions, events, and the state that they led to."""
    actions, events = state["actions"], state["events"]
    is_list = isinstance(actions, list) and isinstance(events, list)
    if not is_list or not all(type(action) is int for action in actions) or not isinstance(state["state"], str):
        raise ValueError(f"actions {short(actions)}, events {short(events)}, state {short(state['state'])}")


def elsewhere(state: str, menu: Menu, state_before: str, menu_before: Any) -> str:
    """Where a replay led that is not where the episode was, in words; empty where it is.

    `menu_before`: None in checkpoints from before 2026-11-28. Raises `ValueError` for what is no menu.
    """
    if menu_before is not None and not (isinstance(menu_before, list) and all(isinstance(p, str) for p in menu_before)):
        raise ValueError(f"a menu is {short(menu_before)}")
    if state != state_before:
        return f"{short(state)}, before it was {short(state_before)}"
    if menu_before is not None and list(menu.phrases) != menu_before:
        return f"the menu {short(list(menu.phrases))}, before it was {short(menu_before)}"
    return ""


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


class Blamed:
    """A `Violation` inside is the environment's fault, which `fault` makes of what it did."""

    __slots__ = ("fault",)

    def __init__(self, fault: Callable[[str], EnvironmentFault]):
        self.fault = fault

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, Violation):
            raise self.fault(str(error)) from error


def restorable(env: gymnasium.Env) -> Restorable | None:
    """The environment itself, where it can go back and nothing around it has a state of its own."""
    inner = env
    while isinstance(inner, STATELESS):
        inner = inner.env
    return inner if inner is env.unwrapped and isinstance(inner, Restorable) else None


def cannot_go_back(env: gymnasium.Env, name: str) -> str:
    """Why an environment cannot go back, and the remedy, as a sentence."""
    inner, others = env, ""
    while isinstance(inner, gymnasium.Wrapper):
        others = others or ("" if isinstance(inner, STATELESS) else type(inner).__name__)
        inner = inner.env
    if not others or not isinstance(inner, Restorable):
        without = "it has no snapshot() and restore(); all of twosome_envs have but those of third parties"
        return f"{name} cannot go back: {without}."
    how = "Make it without the wrapper"
    if others == "TimeLimit":
        how = "Give max_episode_steps=-1 to gymnasium.make (env.kwargs), and let the environment itself truncate"
    return f"{name} can go back, but the wrapper {others} around it has a state of its own, which cannot. {how}."


_IDENTIFIED: dict[type, bool] = {}  # what a class has takes long to find out, and stays


def is_identified(snapshot: Any) -> bool:
    """Whether a snapshot tells its state, as far as its class does."""
    kind = type(snapshot)
    if kind not in _IDENTIFIED:
        _IDENTIFIED[kind] = isinstance(snapshot, Identified)
    return _IDENTIFIED[kind]
