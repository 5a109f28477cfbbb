"""The state of an agent around the state of its world, as immutable records."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, NamedTuple, Protocol, TypeVar

from ..base import NO_STEP, LastStep


class Own(Protocol):
    """What an environment around a world keeps of its own; immutable and hashable."""

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""

    @property
    def last(self) -> LastStep:
        """The last action."""

    @property
    def was_internal(self) -> bool:
        """Whether that was an internal one."""

    @property
    def state(self) -> Hashable:
        """What picture and menu depend on, step counters left out."""


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
    kept: what a kind of agent keeps beside its notes; None where it keeps nothing.
    """

    notes: tuple[str, ...]
    counts: tuple[int, ...]
    steps: int = 0
    discounted_return: float = 0.0
    over: bool = False
    last: LastStep = NO_STEP
    was_internal: bool = False
    events: tuple[Event, ...] = ()
    kept: Hashable = None

    @property
    def state(self) -> Hashable:
        """Notes, counts and what is kept."""
        return self.notes, self.counts, self.kept


OwnT = TypeVar("OwnT", bound=Own)


class AgentSnapshot(NamedTuple, Generic[OwnT]):
    """Everything that `restore` needs; hashable if the inner world's snapshot is."""

    inner: Hashable
    own: OwnT

    @property
    def state(self) -> Hashable:
        """What the present picture and menu depend on."""
        return getattr(self.inner, "state", self.inner), self.own.state
