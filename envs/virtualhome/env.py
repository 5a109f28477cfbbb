"""The household tasks as gymnasium environments."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..base import Menu, MenuEnv, Outcome, unknown
from . import appliance, entertainment, situation, text
from .tasks import TASKS, ApplianceTask, EntertainmentTask

RULES = ("published", "corrected")
PROMPTS = ("published", "full")
BACKENDS = ("table", "virtualhome")


class World:
    """One task under one set of rules, as functions of a state.

    The states are few (some hundreds), so what was asked once is remembered, and every environment with the
    same settings shares one world.
    """

    def __init__(self, task: ApplianceTask | EntertainmentTask, corrected: bool, full: bool):
        self.task, self.corrected, self.full = task, corrected, full
        self.n_actions, self.n_bits = len(task.actions), 11 if isinstance(task, ApplianceTask) else 21
        self.start: Any = appliance.start(task) if isinstance(task, ApplianceTask) else entertainment.START
        self.transition = functools.cache(self._transition)
        self.observe = functools.cache(self._observe)

    def view(self, state: Any) -> Any:
        """The state in the terms of `appliance.State` or `entertainment.State`."""
        return state

    def advance(self, state: Any, action: int) -> tuple[Any, bool]:
        """The state after an action, and whether the action could be executed."""
        if isinstance(self.task, ApplianceTask):
            return appliance.advance(self.task, state, action, lag=not self.corrected)
        return entertainment.advance(state, action, self.corrected)

    def _observe(self, state: Any) -> tuple[bool, ...]:
        if isinstance(self.task, ApplianceTask):
            return appliance.observe(self.task, state)
        return entertainment.observe(state)

    def situation(self, state: Any) -> situation.Situation:
        """What there is to see, for the pictures."""
        if isinstance(self.task, ApplianceTask):
            return situation.of_appliance(self.task, self.view(state))
        return situation.of_entertainment(self.task, self.view(state))

    def succeeded(self, state: Any) -> bool:
        """Whether the goal is reached."""
        if isinstance(self.task, ApplianceTask):
            return appliance.succeeded(self.task, self.view(state))
        return entertainment.succeeded(self.observe(state))

    def _transition(self, state: Any, action: int) -> tuple[Outcome, bool]:
        after, executed = self.advance(state, action)
        success = self.succeeded(after)
        return Outcome(after, (1.0 if success else 0.0,), success), executed

    def menu(self, state: Any) -> Menu:
        """The phrases of all actions, and which of them are legal."""
        task = self.task
        if isinstance(task, ApplianceTask):
            if self.corrected:
                return Menu(task.actions, appliance.corrected_menu(task, state))
            return Menu(task.actions, appliance.published_menu(task, self.observe(state)))
        if self.corrected:
            return Menu(task.actions, entertainment.corrected_menu(state))
        return Menu(task.actions, entertainment.published_menu(self.observe(state)))

    def scene(self, state: Any) -> str:
        """The state in words."""
        task = self.task
        if isinstance(task, ApplianceTask):
            if self.full:
                return text.full_appliance(task, self.view(state))
            return text.published_appliance(task, self.observe(state))
        if self.full:
            return text.full_entertainment(task, self.view(state))
        return text.published_entertainment(task, self.observe(state))


@functools.cache
def world(task: str, rules: str, prompt: str, backend: str) -> World:
    """The shared world of these settings. Raises ValueError for a name that does not exist."""
    for what, got, known in (
        ("task", task, TASKS),
        ("rules", rules, RULES),
        ("prompt", prompt, PROMPTS),
        ("backend", backend, BACKENDS),
    ):
        if got not in known:
            raise ValueError(unknown(what, got, known))
    make: Callable[..., World] = World
    if backend == "virtualhome":
        if rules == "corrected":
            raise ValueError(
                "backend='virtualhome' runs the simulator as published, so it cannot have rules='corrected'. "
                "Use rules='published', or backend='table'."
            )
        from .simulator import SimulatorWorld

        make = SimulatorWorld
    return make(TASKS[task], rules == "corrected", prompt == "full")


class VirtualHomeEnv(MenuEnv):
    """A household task in a home of four rooms (SPEC.md, VirtualHome 1, 4, 5 and 9).

    task: a key of `tasks.TASKS`, such as `food_preparation` or `entertainment`. rules: `published` has every
    quirk of the published environment; `corrected` has none of SPEC.md,
        VirtualHome Q1 to Q8: a menu then holds exactly the actions that can be done and lead somewhere.
    prompt: `published` scenes convey the facts of the published prompts; `full` ones all that matter.
    backend: `table` is the state machine; `virtualhome` runs every action on the simulator of the PyPI
    package.

    Reward 1 on success, 0 otherwise; at most 50 steps. After a step `info["executed"]` says whether the
    action could be done; one that could not has changed nothing and has cost a step.
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
        self._world = world(task, rules, prompt, backend)
        super().__init__(self._world.n_actions, np.ones(self._world.n_bits, np.float32), render_mode)

    def step(self, action):
        """`MenuEnv.step`, and `info["executed"]`."""
        before = self._state
        observation, reward, terminated, truncated, info = super().step(action)
        info["executed"] = self._world.transition(before, int(action))[1]
        return observation, reward, terminated, truncated, info

    def _start(self):
        return self._world.start

    def _transition(self, state, action):
        return self._world.transition(state, action)[0]

    def _scene(self, state):
        return self._world.scene(state)

    def _goal(self, state):
        return self._world.task.goal

    def _menu(self, state):
        return self._world.menu(state)

    def _vector(self, state):
        return np.array(self._world.observe(state), np.float32)

    def _ansi(self, state):
        return situation.ansi(self._world.situation(state))

    def _picture(self, state):
        from .picture import draw

        return draw(self._world.situation(state))
