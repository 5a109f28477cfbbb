"""What there is to see in a state, as records for the pictures, and the picture in characters."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

from . import appliance, entertainment
from .tasks import LIVING_ROOM, ROOMS, ApplianceTask, EntertainmentTask

PLAN = ((0, 3), (1, 2))
"""The floor plan: kitchen and living room above, bathroom and bedroom below."""


class Piece(NamedTuple):
    """A thing that is not in hand.

    place: such as `on the coffee table`, empty for what stands by itself; near: whether the agent is near it;
    condition: `open`, `closed`, `on`, `off` or empty.
    """

    noun: str
    room: int
    place: str
    near: bool
    condition: str


class Situation(NamedTuple):
    """Where the agent is, whether it sits, what it holds, and where everything else is."""

    room: int
    sits: bool
    held: tuple[str, ...]
    pieces: tuple[Piece, ...]


def of_appliance(task: ApplianceTask, state: appliance.State) -> Situation:
    """The situation of a task with an item and an appliance."""
    condition = "open" if state.is_open else "closed"
    pieces = [Piece(str(task.appliance), task.appliance_room, "", state.near_appliance, condition)]
    if not state.held:
        room = task.appliance_room if state.inside else task.item_room
        place = f"in {task.appliance.the}" if state.inside else task.place
        pieces.append(Piece(str(task.item), room, place, state.near_item, ""))
    return Situation(state.room, False, (str(task.item),) if state.held else (), tuple(pieces))


def of_entertainment(task: EntertainmentTask, state: entertainment.State) -> Situation:
    """The situation of the entertainment task."""
    table, tv, sofa = (
        Piece(str(thing), LIVING_ROOM, "", bool(state.near & bit), condition)
        for thing, bit, condition in (
            (task.table, entertainment.TABLE, ""),
            (task.tv, entertainment.TV, "on" if state.tv_on else "off"),
            (task.sofa, entertainment.SOFA, ""),
        )
    )
    pieces, held = [table, tv, sofa], []
    for thing, bit, place, room in (
        (task.chips, entertainment.CHIPS, task.chips_place, state.recorded[0]),
        (task.milk, entertainment.MILK, task.milk_place, state.recorded[1]),
    ):
        if state.held & bit:
            held.append(str(thing))
            continue
        placed = f"on {task.table.the}" if state.on_table & bit else place
        pieces.append(Piece(str(thing), room, placed, bool(state.near & bit), ""))
    return Situation(state.room, state.seated, tuple(held), tuple(pieces))


def ansi(situation: Situation, width: int = 36) -> str:
    """The home as a table of four rooms; `>` marks what the agent (`@`) is near."""
    bar = "+".join(("", *("-" * (width + 2) for _ in PLAN[0]), ""))
    lines = [bar]
    for row in PLAN:
        cells = [_room(situation, room, width) for room in row]
        height = max(map(len, cells))
        for y in range(height):
            parts = (cell[y] if y < len(cell) else "" for cell in cells)
            lines.append("".join(f"| {part:<{width}} " for part in parts) + "|")
        lines.append(bar)
    return "\n".join(lines)


def _room(situation: Situation, room: int, width: int) -> list[str]:
    lines = [ROOMS[room].upper()]
    here = situation.room == room
    for piece in situation.pieces:
        if piece.room == room:
            condition = f" ({piece.condition})" if piece.condition else ""
            place = f" {piece.place}" if piece.place else ""
            mark = ">" if here and piece.near else " "
            lines += textwrap.wrap(f"{mark} {piece.noun}{condition}{place}", width, subsequent_indent="    ")
    if here:
        posture = "sitting" if situation.sits else "standing"
        hands = f"holding {' and '.join(situation.held)}" if situation.held else "hands empty"
        lines += textwrap.wrap(f"@ you, {posture}, {hands}", width, subsequent_indent="  ")
    return lines + [""] * (6 - len(lines))
