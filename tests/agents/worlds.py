"""Worlds and a policy for the tests of planning: they repeat themselves or not, and can go back or not."""

import itertools
from collections import Counter
from typing import NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Discrete, Text

from tests.search.trees import settings
from twosome.agents.planner import Planner
from twosome.config.schema import EnvSettings
from twosome.errors import EnvironmentFault
from twosome.rollout import driver
from twosome.rollout.checked_env import World
from twosome.types import Decision

GAMMA = 0.95


class Stub:
    """A policy by tables: values by state, weights by phrase, 0 and 1 where none are given. `counts` what was asked."""

    def __init__(self, values=None, weights=None):
        self.known, self.weights, self.counts = values or {}, weights or {}, Counter()

    def decide(self, observation, menu):
        return Decision.plain(f"{observation['goal']} {observation['scene']}", menu.phrases)

    def log_probs(self, decisions):
        self.counts["decisions"] += len(decisions)
        rows = [torch.tensor([float(self.weights.get(phrase, 1.0)) for phrase in d.menu]) for d in decisions]
        return [row.log().log_softmax(0) for row in rows]

    def values(self, states):
        self.counts["states"] += len(states)
        return torch.tensor([float(self.known.get(state, 0.0)) for state in states])


class Keys(gymnasium.Env):
    """Rooms in a row, a key in the first, a door in the last that it opens; carrying takes three steps.

    It cannot go back, and repeats itself.
    """

    actions = ("go left", "go right", "pick up the key", "open the door", "give up")

    def __init__(self, length=3, limit=30, render_mode=None):
        self.length, self.limit, self.render_mode = length, limit, render_mode
        self.action_space = Discrete(len(self.actions))
        self.observation_space = Dict(scene=Text(200), goal=Text(200), vector=Box(0, 1, (1,), np.float32))
        self.steps_taken = 0

    def _shown(self, duration=1, success=False):
        carries = " You carry the key." if self.has_key else ""
        scene = f"You are in room {self.at}.{carries}"
        mask = (self.at > 0, self.at < self.length, self.at == 0 and not self.has_key, self.at == self.length, True)
        observation = {"scene": scene, "goal": "Leave.", "vector": np.zeros(1, np.float32)}
        info = {"actions": self.actions, "action_mask": np.array(mask), "duration": duration, "success": success}
        return observation, info

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.has_key, self.time = 0, False, 0
        return self._shown()

    def step(self, action):
        self.steps_taken += 1
        duration = 3 if self.has_key and action < 2 else 1
        self.time += duration
        self.at += {0: -1, 1: 1}.get(action, 0)
        self.has_key |= action == 2
        won, is_over = action == 3 and self.has_key, action in (3, 4)
        cut = not is_over and self.time >= self.limit
        return self._shown(duration, won)[0], float(won), is_over, cut, self._shown(duration, won)[1]


class Situation(NamedTuple):
    """All of it; `state` leaves the clock out."""

    state: tuple[int, bool]
    time: int


class Backwards(Keys):
    """The same, and it can go back."""

    def snapshot(self):
        return Situation((self.at, self.has_key), self.time)

    def restore(self, snapshot):
        (self.at, self.has_key), self.time = snapshot
        return self._shown()


class Moody(Backwards):
    """Its rewards change from day to day, and no snapshot says so."""

    days = itertools.count()

    def step(self, action):
        observation, _, *rest = super().step(action)
        return observation, float(next(self.days)), *rest


class Drifting(Backwards):
    """Coming back, it is somewhere else."""

    def restore(self, snapshot):
        return super().restore(snapshot._replace(state=(next(Moody.days) % self.length, False)))


class Tired(Drifting):
    """It drifts when it has come back often."""

    def restore(self, snapshot):
        self.times = getattr(self, "times", 0) + 1
        return super().restore(snapshot) if self.times > 20 else Backwards.restore(self, snapshot)


class Blind(Backwards):
    """Its snapshots hold everything, and `state` says the same of them all."""

    def snapshot(self):
        return Hidden(super().snapshot())

    def restore(self, snapshot):
        return super().restore(snapshot.held)


class Hidden(NamedTuple):
    """A snapshot whose `state` tells nothing."""

    held: Situation
    state: str = "here"


class Breaking(Backwards):
    """It breaks the contract in one way, from the `after`-th simulated move on; never where it is only played.

    `how`: "step" raises there, "restore" and "snapshot" raise when asked, "state" is an array, "sealed" cannot be set.
    """

    def __init__(self, how="step", after=9, **kwargs):
        super().__init__(**kwargs)
        self.how, self.after, self.moves, self._sealed = how, after, 0, False

    @property
    def sealed(self):
        return self._sealed

    @sealed.setter
    def sealed(self, value):
        if self.how == "sealed" and value:
            raise OSError("no key")
        self._sealed = value

    def _fails(self, what):
        self.moves += self._sealed
        if what == self.how and self._sealed and self.moves >= self.after:
            raise KeyError(what)

    def step(self, action):
        self._fails("step")
        return super().step(action)

    def snapshot(self):
        self._fails("snapshot")
        found = super().snapshot()
        return Situation(np.zeros(2), found.time) if self.how == "state" and self._sealed else found

    def restore(self, snapshot):
        self._fails("restore")
        return super().restore(snapshot)


for kind in (Keys, Backwards, Moody, Drifting, Tired, Blind, Breaking):
    gymnasium.register(f"TwosomeTest/{kind.__name__}-v0", kind)


def env(name="Backwards", **kwargs):
    return EnvSettings(id=f"TwosomeTest/{name}-v0", kwargs=kwargs, gamma=GAMMA, optimum=None)


def kitchen(name):
    return EnvSettings(
        id=f"twosome_envs:twosome/{name}-v0", kwargs={}, gamma={"TomatoSalad": 0.99}.get(name, 0.95), optimum=None
    )


def world_of(where, policy, index=0):
    made = World(where, policy, 0, index)
    made.reset()
    return made


def planner_of(policy, seed=0, is_training=False, bonus=None, **changes):
    return Planner(policy, settings(**changes), seed, is_training=is_training, bonus=bonus)


def ask(planner, *worlds):
    """The results of a search from all of them. Raises the first fault that one has met."""
    decisions = [world.decision for world in worlds]
    results = planner.search(list(worlds), decisions, driver.ask(planner.policy, decisions))
    if faults := [result for result in results if isinstance(result, EnvironmentFault)]:
        raise faults[0]
    return results


def play(planner, world, most=40):
    """The phrases that the planner's choices take, until the episode is over."""
    taken = []
    while not world.is_over and len(taken) < most:
        (result,) = ask(planner, world)
        taken.append(world.menu.phrases[result.action])
        world.step(result.action)
    return taken


OUT = ["pick up the key", "go right", "go right", "go right", "open the door"]
