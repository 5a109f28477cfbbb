"""Environments that break the contract in every way we could think of: each is reported with its step, seed and
replay.
"""

from __future__ import annotations

import dataclasses
import random
import sys
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import torch

from tests.faults import Count, paragraph
from twosome.rollout.contract import short

MENU = ("open the door", "close the door", "wait")
LENGTH = 6  # decisions of an episode without fault
ID = "faulty/Misbehaving-v0"


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message either")


class Unheard(BaseException):
    """Not even an `Exception`."""


class Impostor(KeyboardInterrupt):
    """What no person asked for."""


class Trap(dict):
    """A mapping that holds an entry which cannot be read."""

    def __getitem__(self, key: Any) -> Any:
        raise OSError("no such entry")


class Endless(list):
    """A mask without end."""

    def __iter__(self) -> Any:
        while True:
            yield True


class Silent:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def _raise(error: BaseException) -> Any:
    raise error


def _mute() -> None:
    sys.stdout = sys.stderr = None  # type: ignore[assignment]


Outcome = list  # observation, reward, terminated, truncated, info: what `step` would have returned
FAULTS: dict[str, Callable[[Outcome], Any]] = {
    "raises ValueError": lambda o: _raise(ValueError("broken\n\nin two paragraphs")),
    "raises KeyError": lambda o: _raise(KeyError("missing")),
    "raises AssertionError": lambda o: _raise(AssertionError()),
    "raises RecursionError": lambda o: _raise(RecursionError("too deep")),
    "raises MemoryError": lambda o: _raise(MemoryError()),
    "raises without a message": lambda o: _raise(Unprintable()),
    "raises a long message": lambda o: _raise(RuntimeError("x" * 100_000)),
    "raises StopIteration": lambda o: _raise(StopIteration()),
    "raises a torch error": lambda o: _raise(torch.OutOfMemoryError("their memory is full")),
    "raises KeyboardInterrupt": lambda o: _raise(KeyboardInterrupt()),
    "raises a kind of KeyboardInterrupt": lambda o: _raise(Impostor()),
    "takes the streams away and fails": lambda o: (_mute(), _raise(ValueError("in silence"))),
    "raises GeneratorExit": lambda o: _raise(GeneratorExit()),
    "raises no Exception": lambda o: _raise(Unheard("of")),
    "exits": lambda o: sys.exit(0),
    "returns nothing": lambda o: None,
    "returns too little": lambda o: tuple(o[:4]),
    "returns too much": lambda o: (*o, 1),
    "returns a number": lambda o: 3,
    "observation None": lambda o: (None, *o[1:]),
    "observation a string": lambda o: ("a room", *o[1:]),
    "observation an array": lambda o: (np.zeros(3), *o[1:]),
    "no scene": lambda o: ({"goal": "g"}, *o[1:]),
    "no goal": lambda o: ({"scene": "s"}, *o[1:]),
    "scene a number": lambda o: ({**o[0], "scene": 3}, *o[1:]),
    "scene bytes": lambda o: ({**o[0], "scene": b"room"}, *o[1:]),
    "goal None": lambda o: ({**o[0], "goal": None}, *o[1:]),
    "scene too long for the model": lambda o: ({**o[0], "scene": "a door and " * 3000}, *o[1:]),
    "scene endless": lambda o: ({**o[0], "scene": "door " * 500_000}, *o[1:]),
    "scene half a surrogate": lambda o: ({**o[0], "scene": "\ud800"}, *o[1:]),
    "info None": lambda o: (*o[:4], None),
    "info a list": lambda o: (*o[:4], [1]),
    "info a string": lambda o: (*o[:4], "actions"),
    "info a trap": lambda o: (*o[:4], Trap(o[4])),
    "observation a trap": lambda o: (Trap(o[0]), *o[1:]),
    "mask without end": lambda o: _info(o, action_mask=Endless()),
    "no actions": lambda o: (*o[:4], {k: v for k, v in o[4].items() if k != "actions"}),
    "actions None": lambda o: _info(o, actions=None),
    "actions a string": lambda o: _info(o, actions="open"),
    "actions empty": lambda o: _info(o, actions=()),
    "actions a set": lambda o: _info(o, actions={"open"}),
    "action a number": lambda o: _info(o, actions=("open", 3, "wait")),
    "action None": lambda o: _info(o, actions=("open", None, "wait")),
    "action bytes": lambda o: _info(o, actions=("open", b"close", "wait")),
    "action unprintable": lambda o: _info(o, actions=("open", Silent(), "wait")),
    "action empty": lambda o: _info(o, actions=("open", "", "wait")),
    "action white space": lambda o: _info(o, actions=("open", " \t\n", "wait")),
    "action half a surrogate": lambda o: _info(o, actions=("open", "\udfff", "wait")),
    "action too long": lambda o: _info(o, actions=("open", "close " * 4000, "wait")),
    "actions equal": lambda o: _info(o, actions=("open", "wait", "wait")),
    "actions equal but for spaces": lambda o: _info(o, actions=("open it", "open  it ", "wait")),
    "actions too many": lambda o: _info(o, actions=tuple(f"take {i}" for i in range(20_000)), action_mask=None),
    "mask all false": lambda o: _info(o, action_mask=np.zeros(3, bool)),
    "mask too short": lambda o: _info(o, action_mask=np.ones(2, bool)),
    "mask too long": lambda o: _info(o, action_mask=np.ones(4, bool)),
    "mask a number": lambda o: _info(o, action_mask=1),
    "mask two-dimensional": lambda o: _info(o, action_mask=np.ones((3, 2), bool)),
}
ONLY_IN_STEP: dict[str, Callable[[Outcome], Any]] = {}
NUMBERS = (
    float("nan"),
    float("inf"),
    -float("inf"),
    None,
    "1",
    [1.0],
    1 + 2j,
    10**400,
    1e300,
    np.float32("nan"),
    np.zeros(2),
)
DURATIONS = (0, -1, 1.5, float("nan"), None, "2", 2**40, [1])
EVENTS = (None, 3, "told", {"told": 1}, [float("nan")], [object()], [{1, 2}], [b"told"])
SUMMARIES = (
    None,
    {},
    [],
    {"r": "x", "l": 1},
    {"r": float("nan"), "l": 1},
    {"r": float("inf"), "l": 1},
    {"r": 1.0, "l": float("inf")},
    {"r": 1.0},
    {"r": np.ones(1), "l": 1},
    Trap(r=1.0, l=1),
    np.zeros(2),
)
SUCCESSES = (np.array([True, False]), "yes", float("nan"), 2, [], Silent())


def _put(place: int, value: Any) -> Callable[[Outcome], Any]:
    return lambda o: (*o[:place], value, *o[place + 1 :])


def _ended_with(value: Any) -> Callable[[Outcome], Any]:
    return lambda o: (*o[:2], True, o[3], {**o[4], "episode": value})


def _won(value: Any) -> Callable[[Outcome], Any]:
    return lambda o: (*o[:2], True, o[3], {**o[4], "success": value})


def _told(value: Any) -> Callable[[Outcome], Any]:
    return lambda o: _info(o, events=value)


def _lasted(value: Any) -> Callable[[Outcome], Any]:
    return lambda o: _info(o, duration=value)


ONLY_IN_STEP |= {f"reward {value!r:.20}": _put(1, value) for value in NUMBERS}
ONLY_IN_STEP |= {f"terminated {value!r:.20}": _put(2, value) for value in (None, "yes", np.zeros(2), 0.5)}
ONLY_IN_STEP |= {f"truncated {value!r:.20}": _put(3, value) for value in (None, [], np.ones(3))}
ONLY_IN_STEP |= {f"duration {value!r:.20}": _lasted(value) for value in DURATIONS}
ONLY_IN_STEP |= {f"events {value!r:.12}": _told(value) for value in EVENTS}
ONLY_IN_STEP |= {f"success {short(value):.24}": _won(value) for value in SUCCESSES}
ONLY_IN_STEP |= {f"episode {value!r:.24}": _ended_with(value) for value in SUMMARIES}


def _info(outcome: Outcome, **changes: Any) -> Any:
    return (*outcome[:4], {**outcome[4], **changes})


class Misbehaving(gymnasium.Env):
    """A room with a door that is fine but for one thing: `fault`, at decision `at` of every `every`-th episode."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, fault: str, at: int = 2, every: int = 1):
        self.fault, self.at, self.every, self.episodes = fault, at, every, 0
        self.observation_space = gymnasium.spaces.Dict({})
        self.action_space = gymnasium.spaces.Discrete(len(MENU))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.now = 0
        self.is_faulty = int(self.np_random.integers(self.every)) == 0
        outcome = self._outcome()
        if self.at == 0 and self.is_faulty:
            spoilt = FAULTS[self.fault](outcome)
            return spoilt if not isinstance(spoilt, tuple) or len(spoilt) != 5 else (spoilt[0], spoilt[4])
        return outcome[0], outcome[4]

    def step(self, action: Any) -> Any:
        self.now += 1
        outcome = self._outcome()
        if self.now == self.at and self.is_faulty:
            return (FAULTS | ONLY_IN_STEP)[self.fault](outcome)
        return tuple(outcome)

    def _outcome(self) -> Outcome:
        scene = {"scene": f"You stand before a door. Minute {self.now}.", "goal": "Wait."}
        info = {"actions": MENU, "action_mask": np.ones(3, bool), "duration": 1, "success": False}
        return [scene, 0.0, self.now >= LENGTH, False, info]


def register() -> None:
    if ID not in gymnasium.registry:
        gymnasium.register(ID, entry_point=Misbehaving)


def cases(n: int, seed: int) -> list[tuple[str, int]]:
    """`n` pairs (fault, decision at which it comes), every fault at least once where n allows."""
    every = [(fault, 0) for fault in FAULTS] + [
        (fault, at) for fault in FAULTS | ONLY_IN_STEP for at in range(1, LENGTH)
    ]
    random.Random(seed).shuffle(every)
    return sorted((every * (n // len(every) + 1))[:n])


def run(n: int, seed: int = 0) -> Count:
    """The cases, with signals handled as in a run: a bare KeyboardInterrupt is then the environment's own."""
    from twosome.training.interrupt import Interrupt

    with Interrupt():
        return _run(n, seed)


def _run(n: int, seed: int) -> Count:
    """Let a real policy meet every fault: reported once in one paragraph, and dropped where that is allowed."""
    from twosome.config.compose import compose
    from twosome.errors import EnvironmentFault
    from twosome.rollout.collect import Worlds, collect
    from twosome.rollout.driver import Tolerance
    from twosome.systems.build import build

    register()
    sizes = ["num_envs=2", "rollout_steps=16", "ppo.actor.minibatch=32", "ppo.critic.minibatch=32"]
    cfg = compose(["env=own", f"env.id={ID}", *sizes, "ppo.actor.epochs=1", "ppo.critic.epochs=1"])
    generator = torch.Generator().manual_seed(0)
    policy, learner = build(cfg, generator)[:2]
    count = Count("misbehaving environments")

    def worlds(fault: str, at: int, every: int, tolerance: Tolerance) -> Worlds:
        settings = dataclasses.replace(cfg.env, kwargs={"fault": fault, "at": at, "every": every})
        return Worlds(settings, policy, seed, 2, tolerance)

    for fault, at in cases(n, seed):
        count.made += 1
        said = ""
        try:
            collect(worlds(fault, at, 1, Tolerance()), 16, generator)
        except EnvironmentFault as error:
            said = str(error)
            needed = (ID, f"at step {at} of episode 0", "run seed", "episode seed", "the actions that led there")
            wrong = paragraph(said) or next((f"no {what!r}" for what in needed if what not in said), None)
            wrong = wrong or (None if error.__cause__.transcript.startswith("env: {") else "no transcript")
        except Exception as error:
            wrong = f"{type(error).__name__}: {error!r:.200}"
        else:
            wrong = "not noticed"
        if wrong is None:
            wrong = _tolerated(worlds(fault, at, 3, Tolerance(1.0)), policy, learner, generator)
        if wrong is not None:
            count.failures.append(f"{fault} at {at}: {wrong} {said[:300]}")
    count.note("kinds")
    count.notes["kinds"] = len(FAULTS | ONLY_IN_STEP)
    return count


def _tolerated(worlds: Any, policy: Any, learner: Any, generator: Any) -> str | None:
    """With a share of failures allowed the run goes on, and nothing of a spoilt step reaches a weight."""
    from twosome.rollout.collect import collect

    try:
        rollout = collect(worlds, 16, generator)
        learner.update(rollout, 0.0)
    except Exception as error:
        return f"not tolerated: {type(error).__name__}: {error!s:.200}"
    if not all(torch.isfinite(p).all() for p in policy.actor_parameters()):
        return "a weight is not finite"
    failed, dropped = worlds.tolerance.failed, int((~rollout.is_real).sum())
    if failed < dropped or learner.bad_updates:
        return f"{failed} failed episodes, {dropped} dropped steps, {learner.bad_updates} bad updates"
    return None
