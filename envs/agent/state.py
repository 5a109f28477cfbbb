"""The state of an agent around the state of its world, as immutable records."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from ..base import NO_STEP, LastStep


class Event(NamedTuple):
    """What an external action found out: which action, which of its slots, and the note."""

    action: str
    slot: int
    note: str


class Progress(NamedTuple):
    """The agent's own part of the state; immutable, replaced at every step.

    notes: what the internal actions of this episode have noted, oldest first.
    counts: how often each internal slot was taken, [slots].
    steps, discounted_return: primitive steps and return so far.
    last, was_internal: the last action, and whether it was an internal one.
    events: those handed to `reset` and not used yet.
    """

    notes: tuple[str, ...]
    counts: tuple[int, ...]
    steps: int = 0
    discounted_return: float = 0.0
    over: bool = False
    last: LastStep = NO_STEP
    was_internal: bool = False
    events: tuple[Event, ...] = ()


class AgentSnapshot(NamedTuple):
    """Everything that `restore` needs; hashable if the inner world's snapshot is."""

    inner: Hashable
    own: Progress

    @property
    def state(self) -> Hashable:
        """What the present picture and menu depend on."""
        return getattr(self.inner, "state", self.inner), self.own.notes, self.own.counts
