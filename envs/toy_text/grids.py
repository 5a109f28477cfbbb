"""gymnasium's grid worlds in words: FrozenLake, CliffWalking and Taxi.

Rows are counted from the north and columns from the west, both from 1. Only what can change something is legal: nobody
walks west at the western border.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.envs.toy_text import CliffWalkingEnv, FrozenLakeEnv, TaxiEnv
from gymnasium.envs.toy_text.frozen_lake import MAPS

from ..arguments import one_of
from ..base import Menu
from . import drawing
from .toy import Moment, ToyText

SIDES = (("north", -1, 0), ("east", 0, 1), ("south", 1, 0), ("west", 0, -1))
GROUND = {"S": "the shore you came from", "F": "ice", "H": "a hole", "G": "the far shore"}
STANDS = ("red", "green", "yellow", "blue")
INSIDE = 4  # the place of a passenger in the taxi
EMPTY = str.maketrans({" ": ".", ":": " ", "G": "g"})  # gymnasium's signs to ours


class Grid(ToyText):
    """A world of cells, whose table `P` tells what every action can lead to."""

    phrases: tuple[str, ...]

    def _menu(self, state: Moment) -> Menu:
        here, table = state.values[0], self._world.P[state.values[0]]
        changes = tuple(any(self._matters(here, *way[1:3]) for way in table[a]) for a in range(len(self.phrases)))
        return Menu(self.phrases, changes if any(changes) else (True,) * len(changes))  # at an end nothing does

    def _matters(self, here: int, after: int, reward: float) -> bool:
        return after != here

    def _ansi(self, state: Moment) -> str:
        return drawing.characters(self._rows(state))

    def _picture(self, state: Moment) -> np.ndarray:
        return drawing.picture(self._rows(state))

    def _rows(self, state: Moment) -> list[str]:
        """The picture, one character a cell: `drawing.COLOURS` tells which there are."""
        raise NotImplementedError


class FrozenLake(Grid):
    """Cross a frozen lake without falling into a hole: reward 1 on the far shore, 0 for everything else.

    The scene tells what is on the four sides. The vector holds row and column.

    Args:
        map_name: `4x4` (at most 100 steps) or `8x8` (200), gymnasium's maps.
        is_slippery: whether a step may slide to either side, each as probable as the way that was chosen.
        render_mode: `rgb_array`, `ansi` or None.
        **options: for gymnasium's `FrozenLakeEnv`, such as `success_rate`.

    Raises:
        ValueError: an unknown map or render mode.
    """

    phrases = ("go west", "go south", "go east", "go north")

    def __init__(self, map_name: str = "4x4", is_slippery: bool = True, render_mode: str | None = None, **options: Any):
        lake = FrozenLakeEnv(map_name=one_of("map_name", map_name, MAPS), is_slippery=is_slippery, **options)
        super().__init__(lake, is_slippery, np.array([lake.nrow, lake.ncol]), render_mode)
        self.max_steps = 100 if map_name == "4x4" else 200
        cells = np.asarray(lake.desc).astype(str)
        self._map = cells.tolist()
        [goal] = np.argwhere(cells == "G")
        slides = " The ice is slippery: a step may slide to either side." if is_slippery else ""
        self._task = f"Cross the frozen lake to {_place(*goal)} and keep out of the holes.{slides}"

    def _goal(self, state: Moment) -> str:
        return self._task

    def _scene(self, state: Moment) -> str:
        row, column = divmod(state.values[0], len(self._map[0]))
        here = self._map[row][column]
        if here in "HG":
            end = "have fallen into a hole" if here == "H" else "have reached the far shore"
            return f"You {end} in {_place(row, column)}."
        return f"You stand in {_place(row, column)}. {_around(self._map, row, column)}"

    def _vector(self, state: Moment) -> np.ndarray:
        return np.array(divmod(state.values[0], len(self._map[0])), np.float32) + 1

    def _rows(self, state: Moment) -> list[str]:
        return _with(["".join(row) for row in self._map], divmod(state.values[0], len(self._map[0])), "@")


class CliffWalking(Grid):
    """Walk along a cliff to the other end: -1 a step, -100 for a fall, after which one stands at the start again.

    The vector holds row and column. At most 200 steps, where gymnasium has no limit.

    Args:
        is_slippery: whether a step may slide to either side, each as probable as the way that was chosen.
        render_mode: `rgb_array`, `ansi` or None.

    Raises:
        ValueError: an unknown render mode.
    """

    phrases = ("go north", "go east", "go south", "go west")
    cells = ("." * 12, "." * 12, "." * 12, "S" + "C" * 10 + "G")

    def __init__(self, is_slippery: bool = False, render_mode: str | None = None):
        super().__init__(CliffWalkingEnv(is_slippery=is_slippery), is_slippery, np.array([4, 12]), render_mode)
        slides = " The path is slippery: a step may slide to either side." if is_slippery else ""
        self._task = f"Walk to {_place(3, 11)} in few steps, without stepping over the cliff.{slides}"

    def _matters(self, here: int, after: int, reward: float) -> bool:
        return after != here or reward < -1  # from the start a fall leads back to the start

    def _is_success(self, reward: float) -> bool:
        return True

    def _goal(self, state: Moment) -> str:
        return self._task

    def _scene(self, state: Moment) -> str:
        row, column = divmod(state.values[0], 12)
        if self.cells[row][column] == "G":
            return f"You have arrived in {_place(row, column)}."
        sides = [side for side, dr, dc in SIDES if _cell(self.cells, row + dr, column + dc) == "C"]
        cliff = f" The cliff is right to the {sides[0]}." if sides else ""
        return f"You stand in {_place(row, column)}.{cliff}"

    def _vector(self, state: Moment) -> np.ndarray:
        return np.array(divmod(state.values[0], 12), np.float32) + 1

    def _rows(self, state: Moment) -> list[str]:
        return _with(list(self.cells), divmod(state.values[0], 12), "@")


class Taxi(Grid):
    """Fetch a passenger from one stand and set them down at another: -1 a step, 20 at the end. At most 200 steps.

    The seed draws where taxi and passenger are, and where to. To pick up or to set down where it cannot be done is not
    on the menu (gymnasium charges 10 for it). The vector holds row, column, the passenger's place and the destination,
    stands from 1 to 4, 5 for the taxi.

    Args:
        is_rainy: whether a drive may end up on either side.
        fickle_passenger: whether the passenger may think of another destination on the way.
        render_mode: `rgb_array`, `ansi` or None.
        **options: for gymnasium's `TaxiEnv`, such as `rainy_probability`.

    Raises:
        ValueError: an unknown render mode.
    """

    kept = ("s", "fickle_step")
    phrases = (
        "drive south",
        "drive north",
        "drive east",
        "drive west",
        "pick up the passenger",
        "set the passenger down",
    )

    def __init__(
        self,
        is_rainy: bool = False,
        fickle_passenger: bool = False,
        render_mode: str | None = None,
        **options: Any,
    ):
        taxi = TaxiEnv(is_rainy=is_rainy, fickle_passenger=fickle_passenger, **options)
        super().__init__(taxi, is_rainy or fickle_passenger, np.array([5, 5, 5, 4]), render_mode)
        self._rain = " In this rain the taxi may slide to either side." if is_rainy else ""

    def _goal(self, state: Moment) -> str:
        *_, to = self._world.decode(state.values[0])
        return f"Bring the passenger to the {self._stand(to)} in few steps.{self._rain}"

    def _scene(self, state: Moment) -> str:
        row, column, where, to = self._world.decode(state.values[0])
        taxi = f"Your taxi is in {_place(row, column)}"
        if where == INSIDE:
            return f"{taxi}, with the passenger inside."
        waits = "has arrived at" if where == to else "waits at"
        return f"{taxi}. The passenger {waits} the {self._stand(where)}."

    def _vector(self, state: Moment) -> np.ndarray:
        return np.array(self._world.decode(state.values[0]), np.float32) + 1

    def _stand(self, number: int) -> str:
        return f"{STANDS[number]} stand in {_place(*self._world.locs[number])}"

    def _rows(self, state: Moment) -> list[str]:
        row, column, where, to = self._world.decode(state.values[0])
        rows = ["".join(c.decode() for c in line[1:-1]).translate(EMPTY) for line in self._world.desc[1:-1]]
        if where != INSIDE:
            rows = _with(rows, _sign_of(self._world.locs[where]), "p")
        rows = _with(rows, _sign_of(self._world.locs[to]), "G")
        return _with(rows, _sign_of((row, column)), "%" if where == INSIDE else "@")


def _place(row: int, column: int) -> str:
    return f"row {row + 1}, column {column + 1}"


def _cell(cells: Any, row: int, column: int) -> str | None:
    return cells[row][column] if 0 <= row < len(cells) and 0 <= column < len(cells[0]) else None


def _around(cells: list[list[str]], row: int, column: int) -> str:
    """What is on every side, in words."""
    found = [(side, _cell(cells, row + dr, column + dc)) for side, dr, dc in SIDES]
    (_, first), *others = [(side, "the bank" if cell is None else GROUND[cell]) for side, cell in found]
    return f"To the north is {first}, {', '.join(f'to the {side} {ground}' for side, ground in others)}."


def _sign_of(place: tuple[int, int]) -> tuple[int, int]:
    """Where a cell of the taxi's town is drawn: a wall or a gap stands between two of a row."""
    return place[0], 2 * place[1]


def _with(rows: list[str], place: tuple[int, int], sign: str) -> list[str]:
    row, column = place
    return [r[:column] + sign + r[column + 1 :] if k == row else r for k, r in enumerate(rows)]
