"""A household task as functions of a state: transitions, observations, menus and scenes.

`World` runs the state machines of `appliance` and `entertainment`; another backend subclasses it and says how its own
states move and what they mean.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable

from ..base import Menu, Outcome
from . import appliance, entertainment, situation, text
from .tasks import ApplianceTask, EntertainmentTask

State = appliance.State | entertainment.State
"""A state of the state machine of one of the two kinds of task."""


class World:
    """One task under one set of rules, as functions of a hashable state.

    The states are few (some hundreds), so transitions and observations are cached, and every environment with the same
    settings shares one world.

    Args:
        task: what is to be done, and the words for it.
        corrected: without the quirks of the published rules and menus.
        full: with all that matters in every scene, instead of the facts of the published prompts.
    """

    start: Hashable

    def __init__(self, task: ApplianceTask | EntertainmentTask, corrected: bool, full: bool):
        self.task, self.corrected, self.full = task, corrected, full
        self.n_actions = len(task.actions)
        self.n_bits = appliance.N_BITS if isinstance(task, ApplianceTask) else entertainment.N_BITS
        self.start = appliance.start(task) if isinstance(task, ApplianceTask) else entertainment.START
        self.transition = functools.cache(self._transition)
        self.observe = functools.cache(self._observe)

    def clear_cache(self) -> None:
        """Drop every cached transition and observation."""
        self.transition.cache_clear()
        self.observe.cache_clear()

    # What a backend replaces --------------------------------------------------------------------------------

    def view(self, state: Hashable) -> State:
        """The state as one of the state machine. Raises TypeError for a state of another backend."""
        if not isinstance(state, State):
            raise TypeError(f"Expected a state of the state machine, got {type(state).__name__}.")
        return state

    def advance(self, state: Hashable, action: int) -> tuple[Hashable, bool]:
        """The state after an action, and whether the action could be executed."""
        if isinstance(self.task, ApplianceTask):
            return appliance.advance(self.task, self._appliance(state), action, lag=not self.corrected)
        return entertainment.advance(self._entertainment(state), action, self.corrected)

    def _observe(self, state: Hashable) -> tuple[bool, ...]:
        """The observation as bits: [11] for a task with an appliance, [21] for entertainment."""
        if isinstance(self.task, ApplianceTask):
            return appliance.observe(self.task, self._appliance(state))
        return entertainment.observe(self._entertainment(state))

    # What follows from a state ------------------------------------------------------------------------------

    def situation(self, state: Hashable) -> situation.Situation:
        """What there is to see, for the pictures."""
        if isinstance(self.task, ApplianceTask):
            return situation.of_appliance(self.task, self._appliance(state))
        return situation.of_entertainment(self.task, self._entertainment(state))

    def succeeded(self, state: Hashable) -> bool:
        """Whether the goal is reached."""
        if isinstance(self.task, ApplianceTask):
            return appliance.succeeded(self.task, self._appliance(state))
        return entertainment.succeeded(self.observe(state))

    def menu(self, state: Hashable) -> Menu:
        """The phrases of all actions, and which of them are legal."""
        task = self.task
        if isinstance(task, ApplianceTask):
            if self.corrected:
                return Menu(task.actions, appliance.corrected_menu(task, self._appliance(state)))
            return Menu(task.actions, appliance.published_menu(task, self.observe(state)))
        if self.corrected:
            return Menu(task.actions, entertainment.corrected_menu(self._entertainment(state)))
        return Menu(task.actions, entertainment.published_menu(self.observe(state)))

    def scene(self, state: Hashable) -> str:
        """The state in words."""
        task = self.task
        if isinstance(task, ApplianceTask):
            if self.full:
                return text.full_appliance(task, self._appliance(state))
            return text.published_appliance(task, self.observe(state))
        if self.full:
            return text.full_entertainment(task, self._entertainment(state))
        return text.published_entertainment(task, self.observe(state))

    def _transition(self, state: Hashable, action: int) -> tuple[Outcome[Hashable], bool]:
        """What an action does, and whether it could be executed."""
        after, executed = self.advance(state, action)
        success = self.succeeded(after)
        return Outcome(after, (1.0 if success else 0.0,), success), executed

    def _appliance(self, state: Hashable) -> appliance.State:
        view = self.view(state)
        assert isinstance(view, appliance.State)
        return view

    def _entertainment(self, state: Hashable) -> entertainment.State:
        view = self.view(state)
        assert isinstance(view, entertainment.State)
        return view
