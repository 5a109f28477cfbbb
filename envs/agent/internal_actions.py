"""What an internal action is, and the checks on what one gives.

An internal action is a choice of the menu that leaves the world as it is and finds something out: a question, a
look-up, a thought. It knows nothing of the world's own actions, of rewards or of language models.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple, Protocol

from ..base import Menu


class AgentState(NamedTuple):
    """What an internal action sees of the moment; immutable.

    scene, goal: the inner world's own texts, without notes.
    notes: what internal actions have noted in this episode, oldest first.
    counts: how often each slot of *this* action was taken in this episode, [slots].
    left: internal actions that may still be taken in this episode, all kinds together.
    world: what the world lets its tools see beside its texts; None where a kind of agent shows nothing.
    kept: what the agent keeps beside its notes.
    """

    scene: str
    goal: str
    notes: tuple[str, ...]
    counts: tuple[int, ...]
    left: int
    world: Any = None
    kept: Hashable = None


class InternalAction(Protocol):
    """A kind of internal action: one or more slots of the menu, and what taking one does.

    An action keeps no state between calls: all that it may depend on is its own settings and the `AgentState`. Only so
    are snapshots, which hold the notes alone, the whole state.
    """

    @property
    def name(self) -> str:
        """Which action this is, in events and errors; no two of one agent alike."""

    @property
    def slots(self) -> int:
        """How many entries of the menu belong to it, 1 or more; always the same number."""

    @property
    def cost(self) -> float:
        """What taking one subtracts from the reward; 0 or more."""

    @property
    def is_external(self) -> bool:
        """Whether `run` asks something that cannot be recomputed: a person, an endpoint, a clock, a random number.

        Its results are kept as events for an exact replay, and inside a simulation it is refused.
        """

    def menu(self, state: AgentState) -> Menu:
        """The phrases of its slots in this state, and which are legal; a pure function of the state.

        At most `slots` phrases: the rest of the menu is padded with masked entries such as "(unused 7)".
        """

    def run(self, slot: int, state: AgentState) -> str:
        """Take the slot, an index of `menu(state)` that is legal there; returns the note.

        Of an external action, an exception becomes the note (its message is text of the scene, so no secrets in it) and
        costs what a result costs. Any other action must give the same note in the same state; an exception there is a
        fault of the program and is passed on.
        """


MEMBERS = ("name", "slots", "cost", "is_external", "menu", "run")


def checked(actions: Sequence[InternalAction], others: Sequence[InternalAction]) -> tuple[InternalAction, ...]:
    """The actions, if each has what an `InternalAction` has and no name occurs twice, `others` included.

    Raises `TypeError` for a member that is missing or of the wrong type, `ValueError` for a value out of range.
    """
    if isinstance(actions, (str, bytes)) or not isinstance(actions, Sequence):
        raise TypeError(
            f"actions must be a sequence of internal actions, got {actions!r}. Put a single one in a tuple."
        )
    for action in actions:
        _check(action)
    names = [action.name for action in (*others, *actions)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"Two internal actions have the same name: {twice}. Events are told apart by it, so give each its own."
        )
    return tuple(actions)


def _check(action: InternalAction) -> None:
    what = f"The internal action {type(action).__name__}"
    if isinstance(action, type):
        raise TypeError(
            f"actions holds the class {action.__name__}, expected an instance of it: {action.__name__}(...)."
        )
    missing = [member for member in MEMBERS if not hasattr(action, member)]
    if missing:
        raise TypeError(
            f"{what} has no {', '.join(missing)}: expected the members of InternalAction, {', '.join(MEMBERS)}."
        )
    name, slots, cost = action.name, action.slots, action.cost
    if not isinstance(name, str) or not name.strip():
        raise TypeError(f"{what} has the name {name!r}, expected a text that is not empty.")
    what = f"The internal action {name!r}"
    if isinstance(slots, bool) or not isinstance(slots, int):
        raise TypeError(f"{what} has slots={slots!r}, expected an int.")
    if slots < 1:
        raise ValueError(f"{what} has slots={slots}, expected 1 or more: without a slot nobody can take it.")
    if isinstance(cost, bool) or not isinstance(cost, numbers.Real):
        raise TypeError(f"{what} has cost={cost!r}, expected a number.")
    if not math.isfinite(cost) or cost < 0:
        raise ValueError(
            f"{what} has cost={cost}, expected a finite number of 0 or more: it is subtracted from the reward."
        )
    if not isinstance(action.is_external, bool):
        raise TypeError(f"{what} has is_external={action.is_external!r}, expected True or False.")
    for member in ("menu", "run"):
        if not callable(getattr(action, member)):
            raise TypeError(f"{what} has {member}={getattr(action, member)!r}, expected a method.")
