"""Small environments and policies for tests of the driver: with snapshots and without, asking outside and not."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch

from twosome.config.schema import EnvSettings
from twosome.rollout.checked_env import World
from twosome.systems.baselines.random import RandomPolicy
from twosome.types import Decision

OUTSIDE = itertools.count()  # what nobody can recompute: every answer is another
LENGTH = 12  # primitive steps of an episode


class Corridor(gymnasium.Env):
    """A third-party world without snapshots: a corridor of `width` doors, one of which is the right one by the seed."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, width: int = 5):
        self.width = width
        self.action_space = gymnasium.spaces.Discrete(3)
        self.observation_space = gymnasium.spaces.Dict({"vector": gymnasium.spaces.Box(0, 99, (3,))})

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.place, self.now, self.told = int(self.np_random.integers(self.width)), 0, ""
        self.right = int(self.np_random.integers(self.width))
        return self._shown()

    def step(self, action: int) -> Any:
        duration = 2 if action == 1 else 1
        self.now += duration
        is_right = action == 2 and self.place == self.right
        self.place = min(max(self.place + (-1, 1, 0)[action], 0), self.width - 1)
        reward = 1.0 if is_right else -0.1 * duration
        observation, info = self._shown(duration=duration, success=is_right)
        return observation, reward, is_right, self.now >= LENGTH and not is_right, info

    def _shown(self, duration: int = 1, success: bool = False, **more: Any) -> Any:
        here = f"You stand before door {self.place} of {self.width} at minute {self.now}.{self.told}"
        vector = np.array([self.place, self.now, len(self.told)], np.float32)
        phrases = ("go back", "go on", "open the door")
        mask = np.array([self.place > 0, self.place < self.width - 1, True])
        info = {"actions": phrases, "action_mask": mask, "duration": duration, "success": success}
        return {"scene": here, "goal": "Find the right door.", "vector": vector}, info | more


class Oracle(Corridor):
    """The same with a fourth action, to ask outside: the answer is text of the scene, and moves the right door.

    Answers are told in `info["events"]`; handed to `reset`, they are used again before anybody is asked.
    """

    def __init__(self, width: int = 5):
        super().__init__(width)
        self.action_space = gymnasium.spaces.Discrete(4)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.known = list((options or {}).get("events", ()))
        return super().reset(seed=seed)

    def step(self, action: int) -> Any:
        if action < 3:
            return super().step(action)
        answer = self.known.pop(0) if self.known else {"answer": next(OUTSIDE), "by": {"$tensor": "nobody"}}
        self.now += 1
        self.right = answer["answer"] % self.width
        self.told += f" Answer {answer['answer']}."
        observation, info = self._shown(events=(answer,))
        return observation, -0.2, False, self.now >= LENGTH, info

    def _shown(self, **more: Any) -> Any:
        observation, info = super()._shown(**more)
        mask = np.append(info["action_mask"], True)
        return observation, info | {"actions": (*info["actions"], "ask outside"), "action_mask": mask}


class Restless(Corridor):
    """It does not repeat itself: equal seeds and actions lead elsewhere."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return super().reset(seed=next(OUTSIDE))


class Adviser(NamedTuple):
    """An internal action of an agent that asks outside."""

    name: str = "adviser"
    slots: int = 1
    cost: float = 0.5
    is_external: bool = True

    def menu(self, state: Any) -> Any:
        from twosome_envs.base import Menu

        return Menu(("ask the adviser",), (True,))

    def run(self, slot: int, state: Any) -> str:
        return f"Answer number {next(OUTSIDE)}."


class Recipe(Adviser):
    """An internal action that finds out the same in the same state."""

    def run(self, slot: int, state: Any) -> str:
        return f"Step {len(state.notes)}: chop, then serve."


IDS = {kind: f"example/{kind.__name__}-v0" for kind in (Corridor, Oracle, Restless)}
SALAD = {"id": "twosome_envs:twosome/TomatoSalad-v0"}
AGENT = {"world": SALAD, "actions": (Adviser(),), "max_internal": 4}


def settings(kind: type | str, **kwargs: Any) -> EnvSettings:
    """The settings of a class of above, or of a registered id."""
    if isinstance(kind, str):
        return EnvSettings(id=kind, kwargs=kwargs, gamma=0.99, optimum=None)
    if IDS[kind] not in gymnasium.registry:
        gymnasium.register(IDS[kind], entry_point=kind)
    return EnvSettings(id=IDS[kind], kwargs=kwargs, gamma=0.9, optimum=None)


def agent(**kwargs: Any) -> EnvSettings:
    """An agent around a kitchen, who may ask an adviser."""
    return settings("twosome_envs:twosome/Agent-v0", **(AGENT | kwargs))


def begun(env: EnvSettings, *, seed: int = 0, index: int = 0, wrap: Any = None) -> World:
    """A world at the beginning of its first episode."""
    world = World(env, RandomPolicy(), seed, index, wrap)
    world.reset()
    return world


class Preferring:
    """A policy that is sure of one action of every menu: the phrase that comes first by a hash of state and phrase."""

    reads = "text"

    def __init__(self, salt: str = ""):
        self.salt, self.asked = salt, 0

    def decide(self, observation: Any, menu: Any) -> Decision:
        """Goal and scene."""
        return Decision.plain(f"{observation['goal']} {observation['scene']}", menu.phrases)

    def log_probs(self, decisions: list[Decision]) -> list[torch.Tensor]:
        """0 for the preferred action, minus infinity for the others."""
        self.asked += len(decisions)
        return [torch.where(torch.arange(len(d.menu)) == self.preferred(d), 0.0, -torch.inf) for d in decisions]

    def preferred(self, decision: Decision) -> int:
        import hashlib

        keys = [hashlib.sha256(f"{self.salt}{decision.state}{a}".encode()).digest() for a in decision.menu]
        return keys.index(min(keys))

    def values(self, states: list[str]) -> torch.Tensor:
        """The lengths of the texts."""
        return torch.tensor([float(len(state)) for state in states])
