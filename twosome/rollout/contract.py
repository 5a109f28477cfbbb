"""What an environment may return: every value is checked where it enters. Knows nothing of policies, tensors or files.

A function here raises `Violation`; `checked_env.World` turns it into an `EnvironmentFault` that says where it happened.
What an environment may say at the end of an episode is in `contract_end.py`.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from twosome.config.schema import EnvSettings
from twosome.config.trust import requests
from twosome.errors import ConfigError, Stopped
from twosome.limits import TookTooLong, limited
from twosome.rollout.transcript import one_line
from twosome.types import Menu, Observation, Reference

LONGEST_TEXT = 1_000_000  # characters of a scene
MOST_ACTIONS = 10_000
LIBRARIES = {
    "site-packages",
    "dist-packages",
    f"python{sys.version_info[0]}.{sys.version_info[1]}",
}  # folders of theirs
OURS = Path(__file__).parents[1]
FEW = 128  # actions of a menu that is worth remembering
LARGEST_REWARD = 1e30  # float32 holds it


class Violation(Exception):
    """What an environment did against the contract, as the end of a sentence that begins with its name."""


class Arrived(Exception):
    """What was raised in another process: the error's name, its words and its place, as `told` tells them."""

    def __init__(self, name: str, words: str, place: str):
        super().__init__(words)
        self.name, self.words, self.place = name, words, place


class StepResult(NamedTuple):
    """What a step returned, checked."""

    reward: float
    duration: int
    terminated: bool
    truncated: bool
    closes: bool | None
    hint: float
    reference: Reference | None
    cost: float


def make_env(settings: EnvSettings, make: Callable[..., gymnasium.Env] | None = None, **kwargs: Any) -> gymnasium.Env:
    """Make an environment from `conf/env`, by `gymnasium.make` or another way to `make` one.

    A module that the settings name is looked for beside the person too, as with `python -m`; where they name none, that
    folder stays out of the search. Raises `ConfigError` for an unknown id or arguments that it does not take.
    """
    names_module = any(request.word.endswith(":") for request in requests(settings))
    if names_module and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        with told("", ImportError, seconds=settings.step_timeout):
            return (make or gymnasium.make)(settings.id, disable_env_checker=True, **{**settings.kwargs, **kwargs})
    except ImportError as error:
        raise ConfigError(f"env.id={settings.id!r} cannot be imported: {said(error)}") from error
    except Violation as error:
        what = f"env.id={settings.id!r} with env.kwargs={settings.kwargs} cannot be made"
        raise ConfigError(f"{what}: it {error}") from error


READ = " when what it gave was read"


class told:  # a class and not a generator: every simulated step passes through it several times
    """Whatever third-party code raises inside becomes a `Violation` that tells it; that and `others` pass as they are.

    `seconds`: that it may take, on the clock. What it does to `sys.stdout` and `sys.stderr` ends with it.
    """

    __slots__ = ("limit", "others", "seconds", "streams", "where")

    def __init__(self, where: str = "", *others: type[BaseException], seconds: float | None = None):
        self.where, self.others, self.seconds = where, others, seconds
        self.limit = None if seconds is None else limited(seconds, "env.step_timeout")

    def __enter__(self) -> None:
        self.streams = sys.stdout, sys.stderr
        if self.limit is not None:
            self.limit.__enter__()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        limit = self.limit
        if limit is not None:
            limit.__exit__()
        sys.stdout, sys.stderr = self.streams
        is_late = limit is not None and limit.is_late
        if (error is None and not is_late) or isinstance(error, (Violation, *self.others)):
            return
        if error is None or isinstance(error, TookTooLong):
            raise Violation(f"took{self.where} longer than env.step_timeout={self.seconds:g}") from error
        if not is_the_users(error):
            given = error if isinstance(error, Arrived) else Arrived(type(error).__name__, said(error), place_of(error))
            raise Violation(f"raised {given.name}{self.where}: {given.words}{given.place}") from error


limited.own |= {told.__enter__.__code__, told.__exit__.__code__}


def place_of(error: BaseException) -> str:
    """Where in the code of others an error was raised: the innermost line that is of no installed library."""
    found, trace = "", error.__traceback__
    for _ in range(sys.getrecursionlimit()):
        if trace is None:
            break
        file = Path(trace.tb_frame.f_code.co_filename)
        if not LIBRARIES & set(file.parts) and OURS not in file.parents:
            found = f" ({one_line(file.name)[:80]}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return found


def check_observation(observation: Any) -> Observation:
    """An observation with texts, which are plain ones."""
    observation = _plain(observation)
    texts = [] if observation is None else [k for k in ("scene", "goal") if isinstance(observation.get(k), str)]
    if observation is None or len(texts) < 2:
        if texts:
            missing = "goal" if texts == ["scene"] else "scene"
            raise Violation(f"gave an observation without the text `{missing}`, expected str `scene` and `goal`")
        raise Violation(
            "gave an observation without text: expected a dict with str `scene` and `goal`. An environment of numbers "
            "is described in words by twosome_envs.wrappers.menu.MenuWrapper (notebooks/own_environment.py is one)"
        )
    for key in ("scene", "goal"):
        if len(observation[key]) > LONGEST_TEXT:
            raise Violation(f"gave a {key} of {len(observation[key])} characters, more than the {LONGEST_TEXT} allowed")
    odd = {key: _text(observation[key]) for key in ("scene", "goal") if type(observation[key]) is not str}
    return {**observation, **odd} if odd else observation


def _text(text: Any) -> Any:
    """A text of a class of its own, which could compare as it likes, as one of Python's; anything else as it is."""
    return str.__str__(text) if isinstance(text, str) else text


def check_info(info: Any) -> dict[str, Any]:
    """An info that can be looked into."""
    found = _plain(info)
    if found is None:
        raise Violation(f"gave info={short(info)}, expected a dict")
    return found


def _plain(given: Any) -> dict[str, Any] | None:
    """A mapping of whatever kind as a dict, which raises nothing when it is read; None for anything else."""
    if type(given) is dict:
        return given
    with told(READ):
        return {key: given[key] for key in given} if isinstance(given, Mapping) else None


def check_step(reward: Any, terminated: Any, truncated: Any, info: Mapping[str, Any]) -> StepResult:
    """The numbers of a step."""
    is_number = isinstance(reward, (int, float, np.integer, np.floating))
    if not is_number or not -LARGEST_REWARD < reward < LARGEST_REWARD:
        raise Violation(f"gave the reward {short(reward)}, expected a finite number")
    for name, flag in (("terminated", terminated), ("truncated", truncated)):
        if not isinstance(flag, (bool, int, np.bool_, np.integer)):
            raise Violation(f"gave {name}={short(flag)}, expected true or false")
    duration = info.get("duration", 1)
    if not isinstance(duration, (int, np.integer)) or not 1 <= duration < 2**31:
        raise Violation(f"gave info['duration']={short(duration)}, expected a whole number of 1 or more")
    closes, hint = info.get("closes"), info.get("hint", 0.0)
    if closes is not None and not isinstance(closes, (bool, np.bool_)):
        raise Violation(f"gave info['closes']={short(closes)}, expected true or false")
    for name in ("hint", "cost"):
        is_number = isinstance(number := info.get(name, 0.0), (int, float, np.integer, np.floating))
        if not is_number or not -LARGEST_REWARD < number < LARGEST_REWARD:
            raise Violation(f"gave info['{name}']={short(number)}, expected a finite number")
    ends = bool(terminated), bool(truncated and not terminated)
    reference, cost = _reference(info.get("reference")), float(info.get("cost", 0.0))
    is_closed = None if closes is None else bool(closes)
    return StepResult(float(reward), int(duration), *ends, is_closed, float(hint), reference, cost)


def _reference(given: Any) -> Reference | None:
    """What a question should be answered with, where the environment tells it."""
    if given is None:
        return None
    found = _plain(given) or {}
    if set(found) != set(Reference._fields) or not all(isinstance(v, str) and v for v in found.values()):
        keys = ", ".join(Reference._fields)
        raise Violation(
            f"gave info['reference']={short(given)}, expected a dict of the texts {keys}, none of them empty"
        )
    return Reference(**found)


def check_menu(info: Mapping[str, Any]) -> Menu:
    """The legal actions. Their number may change from state to state; an index counts in `info["actions"]` as it is."""
    actions, mask = info.get("actions"), info.get("action_mask")
    if not isinstance(actions, (tuple, list)) or not actions:
        raise Violation(f"gave info['actions']={short(actions)}, expected a tuple with the phrase of every action")
    n = len(actions)
    if n > MOST_ACTIONS:
        raise Violation(f"gave {n} actions, more than the {MOST_ACTIONS} allowed")
    try:
        flags = [True] * n if mask is None else [bool(is_legal) for is_legal in itertools.islice(mask, n + 1)]
    except Exception:  # a mask of others may raise anything
        raise Violation(f"gave info['action_mask']={short(mask)}, expected one bool per action") from None
    if len(flags) != n:
        count = len(flags) if len(flags) < n else f"more than {n}"
        raise Violation(f"gave {count} entries in info['action_mask'] for {n} actions")
    if set(map(type, actions)) != {str}:
        actions = tuple(map(_text, actions))
    try:
        return (_legal_cached if n <= FEW else _legal)(tuple(actions), tuple(flags))
    except TypeError:  # a phrase that cannot be hashed
        raise Violation(f"gave the menu {short(actions)}, expected distinct, non-empty phrases") from None


def _legal(actions: tuple[str, ...], flags: tuple[bool, ...]) -> Menu:
    """The phrases that are legal. Raises `Violation` where there are none, or what are no phrases."""
    indices = tuple(i for i, is_legal in enumerate(flags) if is_legal)
    phrases = tuple(actions[i] for i in indices)
    if not phrases:
        raise Violation("gave an empty menu: info['action_mask'] allows no action, expected at least one")
    is_text = all(isinstance(phrase, str) and phrase.strip() for phrase in phrases)
    if not is_text or len({" ".join(phrase.split()) for phrase in phrases}) < len(phrases):
        raise Violation(f"gave the menu {short(phrases)}, expected distinct, non-empty phrases")
    return Menu(phrases, indices)


_legal_cached = lru_cache(1024)(_legal)  # searches meet the same menus over and over


def check_events(info: Mapping[str, Any]) -> tuple[Any, ...]:
    """Results of the step that cannot be recomputed, as plain data."""
    import json

    events = info.get("events", ())
    if isinstance(events, tuple) and not events:
        return ()
    try:
        if not isinstance(events, (tuple, list)):
            raise TypeError
        return tuple(json.loads(json.dumps(list(events), allow_nan=False)))
    except (TypeError, ValueError, RecursionError):
        raise Violation(f"gave info['events']={short(events)}, expected a tuple of values that JSON can hold") from None


def close_env(env: gymnasium.Env, seconds: float | None = None) -> None:
    """Close an environment, whatever it raises: one that fails while it closes, or takes too long, harms nobody."""
    with suppress(Violation), told(" in close", seconds=seconds):
        env.close()


def is_the_users(error: BaseException) -> bool:
    """Whether a person asked to stop, and not the environment: what else it raises is told as its fault.

    A bare `KeyboardInterrupt` is Python's own answer to Ctrl-C, unless the program has put another in its place.
    """
    is_bare = type(error) is KeyboardInterrupt
    return isinstance(error, Stopped) or (is_bare and signal.getsignal(signal.SIGINT) is signal.default_int_handler)


def short(value: Any) -> str:
    """A value of a third-party environment, quoted within bounds."""
    try:
        text = repr(value)
    except BaseException:  # its own __repr__ may raise anything, SystemExit too
        text = f"a {type(value).__name__} that cannot be shown"
    return one_line(text if len(text) <= 200 else f"{text[:120]} ... {text[-60:]}")


def said(error: BaseException) -> str:
    """The message of an error, quoted within bounds."""
    try:
        text = one_line(str(error))
    except BaseException:  # its own __str__ may raise anything, SystemExit too
        text = "(no message)"
    return text if len(text) <= 300 else f"{text[:300]} ..."
