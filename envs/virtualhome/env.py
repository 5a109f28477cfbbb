"""The household tasks as gymnasium environments: `VirtualHomeEnv(task=..., rules=..., ...)`."""

from __future__ import annotations

import functools
import operator
from collections.abc import Hashable
from typing import Any, SupportsIndex

import numpy as np

from ..arguments import unknown
from ..base import Menu, MenuEnv, Outcome
from . import situation
from .tasks import TASKS
from .world import World

RULES = ("published", "corrected")
PROMPTS = ("published", "full")
BACKENDS = ("table", "virtualhome")


@functools.cache
def shared_world(task: str, rules: str, prompt: str, backend: str) -> World:
    """One world for all environments with the same settings.

    Raises:
        ValueError: a name that does not exist, or corrected rules on the simulator.
        ImportError: `backend="virtualhome"`, and the package is not installed.
    """
    for what, got, known in (
        ("task", task, TASKS),
        ("rules", rules, RULES),
        ("prompt", prompt, PROMPTS),
        ("backend", backend, BACKENDS),
    ):
        if got not in known:
            raise ValueError(unknown(what, got, known))
    make: type[World] = World
    if backend == "virtualhome":
        if rules == "corrected":
            raise ValueError(
                "backend='virtualhome' runs the simulator as published, so it cannot have rules='corrected'. "
                "Use rules='published', or backend='table'."
            )
        from .simulator import SimulatorWorld

        make = SimulatorWorld
    return make(TASKS[task], rules == "corrected", prompt == "full")


class VirtualHomeEnv(MenuEnv[Hashable]):
    """A household task in a home of four rooms (SPEC.md, VirtualHome 1, 4, 5 and 9).

    Reward 1 on success, 0 otherwise; at most 50 steps. After a step `info["executed"]` says whether the action could
    be executed; a failed action changes nothing and counts as a step.

    Args:
        task: a key of `tasks.TASKS`, such as `food_preparation` or `entertainment`.
        rules: `published` has every quirk of the published environment; `corrected` has none of SPEC.md,
            VirtualHome Q1 to Q8: a menu then holds exactly the actions that can be executed and lead somewhere.
        prompt: `published` scenes convey the facts of the published prompts; `full` ones all that matter.
        backend: `table` is the state machine; `virtualhome` runs every action on the simulator of the PyPI package.
        render_mode: `rgb_array`, `ansi` or None.

    Raises:
        ValueError: a name that does not exist, or corrected rules on the simulator.
        ImportError: `backend="virtualhome"`, and the package is not installed.
    """

    gamma = 0.95
    max_steps = 50

    def __init__(
        self,
        task: str = "food_preparation",
        rules: str = "published",
        prompt: str = "published",
        backend: str = "table",
        render_mode: str | None = None,
    ):
        self.world = shared_world(task, rules, prompt, backend)
        super().__init__(self.world.n_actions, np.ones(self.world.n_bits, np.float32), render_mode)

    def step(self, action: SupportsIndex) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Take one action of the menu as `MenuEnv.step` does, with `info["executed"]`: bool."""
        before = self._state
        observation, reward, terminated, truncated, info = super().step(action)
        info["executed"] = self.world.transition(before, operator.index(action))[1]
        return observation, reward, terminated, truncated, info

    def clear_cache(self) -> None:
        """Drop every cached view and transition, those of the shared world included."""
        super().clear_cache()
        self.world.clear_cache()

    def _start(self) -> Hashable:
        return self.world.start

    def _transition(self, state: Hashable, action: int) -> Outcome:
        return self.world.transition(state, action)[0]

    def _scene(self, state: Hashable) -> str:
        return self.world.scene(state)

    def _goal(self, state: Hashable) -> str:
        return self.world.task.goal

    def _menu(self, state: Hashable) -> Menu:
        return self.world.menu(state)

    def _vector(self, state: Hashable) -> np.ndarray:
        return np.array(self.world.observe(state), np.float32)

    def _ansi(self, state: Hashable) -> str:
        return situation.ansi(self.world.situation(state))

    def _picture(self, state: Hashable) -> np.ndarray:
        from .picture import draw

        return draw(self.world.situation(state))
