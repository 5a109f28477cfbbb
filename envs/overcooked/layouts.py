"""The kitchens as data: floor plans, worlds, recipes, default rewards.

Source: SPEC.md, Overcooked 1 and 2. Cells are (row, column) from the top left corner of a 7x7 room.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

SIZE = 7
"""Rows and columns of every floor plan."""

MAX_CHOPS = 3
"""Chops until a food counts as chopped (SPEC.md, Overcooked 3)."""

PLANS = {
    "A": (
        "#######",
        "#.....#",
        "#.....#",
        "#.....#",
        "#.....#",
        "#.....#",
        "#######",
    ),
    "B": (
        "#######",
        "#..#..#",
        "#..#..#",
        "#..#..#",
        "#..#..#",
        "#..#..#",
        "#######",
    ),
    "C": (
        "#######",
        "#..#..#",
        "#..#..#",
        "#..#..#",
        "#..#..#",
        "#.....#",
        "#######",
    ),
}
"""`.` floor, `#` counter. On map B the wall is closed: one agent alone cannot serve anything."""

WALL_COLUMN = 3
"""The column of the wall of maps B and C."""

WALL_ROWS = {"A": (), "B": (3, 2, 4, 1, 5), "C": (3, 2, 4, 1)}
"""The rows of the wall, in the order in which `go to counter` looks for a free place (SPEC.md, Overcooked 7.2)."""

FOODS = ("tomato", "lettuce", "onion")

RECIPES = {
    "tomato salad": ("tomato",),
    "lettuce salad": ("lettuce",),
    "onion salad": ("onion",),
    "lettuce-tomato salad": ("tomato", "lettuce"),
    "onion-tomato salad": ("tomato", "onion"),
    "lettuce-onion salad": ("lettuce", "onion"),
    "lettuce-onion-tomato salad": ("tomato", "lettuce", "onion"),
}
"""Task string -> foods. The keys are in the order of the one-hot that ends the numeric observation."""


class Rewards(NamedTuple):
    """Reward of every event, added as given; the defaults are the published ones (SPEC.md, Overcooked 5)."""

    subtask: float = 0.2
    """A food of the recipe is chopped."""
    correct: float = 1.0
    """The dish is served; the episode ends."""
    wrong: float = -0.1
    """Anything else is handed over."""
    step: float = -0.001
    """Every primitive step."""


@dataclass(frozen=True)
class World:
    """Cells (row, column) of everything; `start` is the agent's, by map.

    can_stay: has a `stay` action; is_scaled: observed as positions / 7 and chops / 3 instead of integers.
    """

    foods: dict[str, tuple[int, int]]
    plates: tuple[tuple[int, int], ...]
    knives: tuple[tuple[int, int], ...]
    start: dict[str, tuple[int, int]]
    can_stay: bool = False
    is_scaled: bool = False


DELIVERY = (3, 0)
_LEFT = (1, 2)
_ALL_FOODS = {"tomato": (0, 5), "lettuce": (1, 6), "onion": (2, 6)}
_STARTS = {"A": (1, 4), "B": _LEFT, "C": _LEFT}

WORLDS = {
    # Two plates and a `stay` action: the world of the published LLMA-v2, kept for its recorded episodes.
    "W1": World(_ALL_FOODS, ((5, 6), (6, 5)), ((1, 0), (2, 0)), dict.fromkeys("ABC", _LEFT), True, True),
    # All foods, two cutting boards, one plate: LLMA-v3.
    "W3": World(_ALL_FOODS, ((6, 5),), ((1, 0), (2, 0)), _STARTS),
    # Only the tomato and one cutting board: LLMA-v4.
    "W4": World({"tomato": (0, 5)}, ((6, 5),), ((1, 0),), _STARTS),
}
