"""The first primitive action of the path to a cell.

Source: SPEC.md, Overcooked 8: the rule for one agent on a 7x7 plan, which equals the published best-first search
with its order of ties (SPEC.md, Overcooked Q15). All paths are shortest. Items do not
matter, only the terrain does.
"""

from __future__ import annotations

import functools

from .layouts import SIZE, WALL_COLUMN
from .state import FLOOR

RIGHT, DOWN, LEFT, UP, STAY = range(5)
"""The primitive actions."""

OFFSETS = (1, SIZE, -1, -SIZE, 0)
"""What each primitive adds to a cell."""


def is_adjacent(cell: int, other: int) -> bool:
    """Whether two cells share a side. Cells at opposite ends of neighbouring rows do not."""
    return abs(cell - other) == SIZE or (abs(cell - other) == 1 and cell // SIZE == other // SIZE)


@functools.lru_cache(maxsize=1 << 14)
def first_move(terrain: tuple[int, ...], map: str, agent: int, target: int) -> int | None:
    """The first primitive of the path from a floor cell to another kind of cell; None if there is no path."""
    row, column = divmod(agent, SIZE)
    target_row, target_column = divmod(target, SIZE)
    if is_adjacent(agent, target):
        return OFFSETS.index(target - agent)

    def is_floor(move: int) -> bool:
        return terrain[agent + OFFSETS[move]] == FLOOR

    vertical = DOWN if target_row > row else UP
    horizontal = RIGHT if target_column > column else LEFT
    if map != "A" and (column - WALL_COLUMN) * (target_column - WALL_COLUMN) < 0:  # the wall is between
        if map == "B":
            return None
        if target_row > row and is_floor(DOWN):
            return DOWN
        return horizontal if is_floor(horizontal) else DOWN
    if map == "C" and column == WALL_COLUMN == target_column:  # in the gap, below the wall
        return LEFT
    if target_row != row and is_floor(vertical):
        return vertical
    if target_column != column and is_floor(horizontal):
        return horizontal
    return None
