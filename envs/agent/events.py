"""Events handed back to an agent: are they what a step can have reported?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .internal_actions import InternalAction
from .state import Event


def split(events: object, actions: Sequence[InternalAction]) -> tuple[tuple[Event, ...], tuple[Mapping[str, Any], ...]]:
    """Events handed to `reset`, in order: those of these actions, and those of actions that are not known here.

    Raises `TypeError` and `ValueError` for what `info["events"]` cannot have held.
    """
    if isinstance(events, (str, bytes)) or not isinstance(events, Sequence):
        raise TypeError(f'options["events"] must be a list of entries of info["events"], got {events!r}.')
    slots = {action.name: action.slots for action in actions if action.is_external}
    own: list[Event] = []
    others: list[Mapping[str, Any]] = []
    for number, entry in enumerate(events):
        what = f'options["events"][{number}] is {entry!r}'
        if not isinstance(entry, Mapping) or entry.keys() != set(Event._fields):
            raise TypeError(
                f'{what}, expected an entry of info["events"]: {{"action": str, "slot": int, "note": str}}.'
            )
        event = Event(entry["action"], entry["slot"], entry["note"])
        if not isinstance(event.action, str) or type(event.slot) is not int or not isinstance(event.note, str):
            raise TypeError(f"{what}, expected str, int and str for action, slot and note.")
        if event.action not in slots:
            others.append(entry)
        elif not 0 <= event.slot < slots[event.action]:
            raise ValueError(f"{what}, but {event.action!r} has slots 0 to {slots[event.action] - 1} only.")
        else:
            own.append(event)
    return tuple(own), tuple(others)
