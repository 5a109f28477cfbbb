"""A kitchen as a picture and in characters, without rules or words; the picture needs Pillow.

Everything is drawn with a few shapes. A `Brush` works in the unit square of a cell: (0, 0) is its upper
left corner, (1, 1) the lower right one.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from ..render import pillow
from .layouts import SIZE
from .state import COUNTER, FLOOR, HATCH, KNIFE, NONE, Kitchen, State

CELL = 64
"""Pixels of a cell."""

SMOOTH = 3
"""Everything is drawn this many times larger and shrunk at the end."""

TILES = ("#f3ece0", "#e9dfcd")
WOOD, WOOD_EDGE, WOOD_GRAIN = "#b78a58", "#8d6438", "#ac7f4d"
BOARD, BOARD_EDGE, STEEL, HANDLE = "#f0d9ab", "#c9a56b", "#c7ccd1", "#3b3b40"
RED, RED_LIGHT, LEAF = "#d8362a", "#f0796c", "#3f8f3a"
GREENS = ("#4f9d3f", "#74bb4f", "#a6d977")
ONION, ONION_LINE, ONION_LIGHT = "#b06ba8", "#8b4a86", "#f1dff0"
CHINA, CHINA_EDGE, CHINA_INSIDE = "#ffffff", "#9fb0c0", "#dfe8ef"
SKIN, COAT, COAT_EDGE, HAT, DARK = "#f2c9a0", "#4f7cac", "#36587d", "#ffffff", "#3a3a3a"


class Brush:
    """Draws in the unit square of one cell, or of a part of it."""

    def __init__(self, draw, x: float, y: float, unit: float):
        self._draw, self._x, self._y, self._unit = draw, x, y, unit

    def within(self, x: float, y: float, size: float) -> Brush:
        """A brush for the square of that size around a point."""
        corner_x, corner_y = self._x + (x - size / 2) * self._unit, self._y + (y - size / 2) * self._unit
        return Brush(self._draw, corner_x, corner_y, self._unit * size)

    def _scaled(self, points) -> list[tuple[float, float]]:
        return [(self._x + x * self._unit, self._y + y * self._unit) for x, y in points]

    def _width(self, width: float) -> int:
        return max(1, round(width * self._unit))

    def disc(self, x: float, y: float, r: float, fill: str, edge: str | None = None, squeeze: float = 1.0):
        """A circle, or an ellipse of height `squeeze` times its width."""
        box = self._scaled([(x - r, y - r * squeeze), (x + r, y + r * squeeze)])
        self._draw.ellipse(box, fill, edge, self._width(0.03) if edge else 0)

    def box(self, x: float, y: float, to_x: float, to_y: float, fill: str, round_by: float = 0.0, edge=None):
        """A rectangle, its corners rounded."""
        radius = round_by * self._unit
        width = self._width(0.03) if edge else 0
        self._draw.rounded_rectangle(self._scaled([(x, y), (to_x, to_y)]), radius, fill, edge, width)

    def shape(self, points, fill: str):
        """A filled polygon."""
        self._draw.polygon(self._scaled(points), fill)

    def line(self, points, colour: str, width: float):
        """A line through points."""
        self._draw.line(self._scaled(points), colour, self._width(width), joint="curve")


def _ring(n: int, r: float, turn: float = 0.0) -> list[tuple[float, float]]:
    """Return n points on a circle around the middle."""
    angles = [math.tau * i / n + turn for i in range(n)]
    return [(0.5 + r * math.cos(a), 0.5 + r * math.sin(a)) for a in angles]


# Terrain ----------------------------------------------------------------------------------------------------


def _counter(brush: Brush, has_front: bool):
    """A wooden top, and its front where the cell below is floor."""
    brush.box(0, 0, 1, 1, WOOD)
    for y in (0.16, 0.5, 0.8):
        brush.line([(0.1, y), (0.5, y + 0.03), (0.9, y)], WOOD_GRAIN, 0.025)
    if has_front:
        brush.box(0, 0.86, 1, 1, WOOD_EDGE)


def _board(brush: Brush, has_front: bool):
    _counter(brush, has_front)
    brush.box(0.1, 0.1, 0.74, 0.8, BOARD, 0.1, BOARD_EDGE)
    brush.shape([(0.81, 0.08), (0.92, 0.2), (0.92, 0.52), (0.81, 0.52)], STEEL)
    brush.box(0.82, 0.52, 0.91, 0.82, HANDLE, 0.04)


def _hatch(brush: Brush, has_front: bool):
    """A steel shelf with a bell and an arrow that leads out."""
    brush.box(0, 0, 1, 1, "#5c6670")
    brush.box(0.06, 0.05, 0.94, 0.86, "#aeb8c1", 0.06)
    brush.shape(
        [(0.1, 0.28), (0.26, 0.12), (0.26, 0.21), (0.48, 0.21), (0.48, 0.35), (0.26, 0.35), (0.26, 0.44)],
        GREENS[0],
    )
    brush.disc(0.66, 0.6, 0.2, "#e3b23c", "#a67c1f")
    brush.box(0.44, 0.61, 0.88, 0.82, "#aeb8c1")
    brush.box(0.43, 0.62, 0.89, 0.7, DARK, 0.03)
    brush.disc(0.66, 0.37, 0.05, DARK)


def _tile(brush: Brush, shade: int):
    brush.box(0, 0, 1, 1, "#d8ccb6")
    brush.box(0.015, 0.015, 0.985, 0.985, TILES[shade])


# Things -----------------------------------------------------------------------------------------------------


def _tomato(brush: Brush, is_chopped: bool):
    if is_chopped:
        for x, y in ((0.28, 0.34), (0.7, 0.36), (0.48, 0.7)):
            brush.disc(x, y, 0.24, RED, "#a82318")
            brush.disc(x, y, 0.16, RED_LIGHT)
            for dx, dy in ((-0.07, 0), (0.05, -0.06), (0.04, 0.07)):
                brush.disc(x + dx, y + dy, 0.03, "#ffe9a8")
        return
    brush.disc(0.5, 0.55, 0.4, RED, "#a82318", 0.93)
    brush.disc(0.36, 0.44, 0.09, RED_LIGHT)
    brush.line([(0.5, 0.28), (0.54, 0.1)], LEAF, 0.07)
    for x, y in ((0.24, 0.24), (0.36, 0.4), (0.5, 0.46), (0.66, 0.4), (0.78, 0.24)):
        brush.shape([(0.43, 0.22), (x, y), (0.57, 0.22)], LEAF)


STRIPS = (
    (0.15, 0.3, 0.5, 0.2),
    (0.45, 0.42, 0.85, 0.3),
    (0.2, 0.55, 0.55, 0.62),
    (0.5, 0.72, 0.85, 0.58),
    (0.25, 0.8, 0.5, 0.86),
    (0.6, 0.2, 0.8, 0.14),
)
"""From (x, y) to (x, y): the strips of a chopped lettuce."""


def _lettuce(brush: Brush, is_chopped: bool):
    if is_chopped:
        for i, (x, y, to_x, to_y) in enumerate(STRIPS):
            bent = [(x, y), ((x + to_x) / 2, (y + to_y) / 2 + 0.08), (to_x, to_y)]
            brush.line(bent, GREENS[0], 0.18)
            brush.line(bent, GREENS[1 + i % 2], 0.1)
        return
    for x, y in _ring(9, 0.3):
        brush.disc(x, y, 0.16, GREENS[0])
    for x, y in _ring(7, 0.2, 0.3):
        brush.disc(x, y, 0.15, GREENS[1])
    for x, y in _ring(5, 0.09, 0.1):
        brush.disc(x, y, 0.11, GREENS[2])
    for x, y in _ring(5, 0.34, 0.1):
        brush.line([(0.5, 0.5), (x, y)], "#dff0c0", 0.025)


def _onion(brush: Brush, is_chopped: bool):
    if is_chopped:
        for x, y, r in ((0.34, 0.38, 0.26), (0.7, 0.44, 0.2), (0.5, 0.74, 0.2)):
            for k, colour in enumerate((ONION, ONION_LIGHT, ONION, ONION_LIGHT)):
                brush.disc(x, y, r * (1 - 0.25 * k), colour)
        return
    brush.shape([(0.3, 0.36), (0.46, 0.2), (0.42, 0.06), (0.5, 0.12), (0.6, 0.04), (0.55, 0.2), (0.7, 0.36)], ONION)
    brush.disc(0.5, 0.58, 0.36, ONION, ONION_LINE, 0.92)
    for bend in (-0.24, -0.08, 0.08, 0.24):
        brush.line([(0.5, 0.26), (0.5 + bend, 0.56), (0.5 + bend * 0.3, 0.88)], ONION_LINE, 0.025)
    brush.disc(0.36, 0.48, 0.06, ONION_LIGHT)
    for x in (0.44, 0.5, 0.56):
        brush.line([(0.5, 0.9), (x, 0.99)], ONION_LINE, 0.025)


FOODS = {"tomato": _tomato, "lettuce": _lettuce, "onion": _onion}

IN_BOWL = {
    1: [(0.5, 0.5, 0.62)],
    2: [(0.33, 0.46, 0.5), (0.67, 0.54, 0.5)],
    3: [(0.33, 0.38, 0.44), (0.68, 0.4, 0.44), (0.5, 0.69, 0.44)],
}
"""(x, y, size) of the foods in a bowl, by how many there are."""


def _things(brush: Brush, kitchen: Kitchen, state: State, cell: int):
    """Everything that lies at a cell or is held there."""
    foods = [(name, i) for i, name in enumerate(kitchen.foods) if state.foods[i] == cell]
    if state.plate_at(cell) == NONE:
        for name, i in foods:
            FOODS[name](brush, state.is_chopped(i))
        return
    brush.disc(0.5, 0.53, 0.5, "#00000030")
    brush.disc(0.5, 0.5, 0.48, CHINA, CHINA_EDGE)
    brush.disc(0.5, 0.5, 0.37, CHINA_INSIDE, CHINA_EDGE)
    for (name, i), (x, y, size) in zip(foods, IN_BOWL.get(len(foods), []), strict=True):
        FOODS[name](brush.within(x, y, size), state.is_chopped(i))


def _chef(brush: Brush, kitchen: Kitchen, state: State):
    holds = state.is_held()
    brush.disc(0.5, 0.93, 0.3, "#00000030", squeeze=0.25)
    brush.box(0.24, 0.56, 0.76, 0.94, COAT, 0.14, COAT_EDGE)
    brush.box(0.36, 0.6, 0.64, 0.92, HAT, 0.05)
    brush.disc(0.5, 0.42, 0.2, SKIN, "#c99a6d")
    for x in (0.42, 0.58):
        brush.disc(x, 0.42, 0.028, DARK)
    brush.line([(0.45, 0.51), (0.5, 0.535), (0.55, 0.51)], DARK, 0.02)
    for x, y, r in ((0.34, 0.17, 0.11), (0.66, 0.17, 0.11), (0.5, 0.12, 0.12)):
        brush.disc(x, y, r, HAT, "#b9bec4")
    brush.box(0.33, 0.17, 0.67, 0.3, HAT, 0.03, "#b9bec4")
    brush.box(0.35, 0.13, 0.65, 0.26, HAT)
    hands = ((0.24, 0.78), (0.76, 0.78)) if holds else ((0.2, 0.72), (0.8, 0.72))
    if holds:
        _things(
            brush.within(0.5, 0.73, 0.56 if state.agent in state.plates else 0.46),
            kitchen,
            state,
            state.agent,
        )
    for x, y in hands:
        brush.disc(x, y, 0.075, SKIN, "#c99a6d")


# Pictures ---------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=32)
def _empty_room(kitchen: Kitchen):
    Image, ImageDraw, _ = pillow()
    unit = CELL * SMOOTH
    image = Image.new("RGB", (SIZE * unit, SIZE * unit))
    draw = ImageDraw.Draw(image, "RGBA")
    for cell, terrain in enumerate(kitchen.terrain):
        row, column = divmod(cell, SIZE)
        brush = Brush(draw, column * unit, row * unit, unit)
        if terrain == FLOOR:
            _tile(brush, (row + column) % 2)
        else:
            below = kitchen.terrain[cell + SIZE] if row + 1 < SIZE else FLOOR
            {COUNTER: _counter, KNIFE: _board, HATCH: _hatch}[terrain](brush, below == FLOOR)
    return image


def picture(kitchen: Kitchen, state: State) -> np.ndarray:
    """The kitchen as uint8 [height, width, 3]; cells out of view are shaded."""
    Image, ImageDraw, _ = pillow()
    unit = CELL * SMOOTH
    image = _empty_room(kitchen).copy()
    draw = ImageDraw.Draw(image, "RGBA")
    for cell, terrain in enumerate(kitchen.terrain):
        row, column = divmod(cell, SIZE)
        brush = Brush(draw, column * unit, row * unit, unit)
        if cell == state.agent:
            _chef(brush, kitchen, state)
        elif terrain != FLOOR:
            x = 0.42 if terrain == KNIFE else 0.5
            _things(brush.within(x, 0.45, 0.66), kitchen, state, cell)
        if not kitchen.sees(state, cell):
            brush.box(0, 0, 1, 1, "#2b2f4a3d")
    return np.asarray(image.resize((SIZE * CELL, SIZE * CELL), Image.Resampling.LANCZOS))


LEGEND = "@ you   t l o raw   T L O chopped   ( ) bowl   [ ] cutting board   < hatch"


def characters(kitchen: Kitchen, state: State) -> str:
    """The whole room in characters, with a legend."""
    lines = []
    for row in range(SIZE):
        cells = range(row * SIZE, (row + 1) * SIZE)
        lines.append("".join(_cell(kitchen, state, cell) for cell in cells))
    return "\n".join([*lines, LEGEND])


def _cell(kitchen: Kitchen, state: State, cell: int) -> str:
    letters = [
        name[0].upper() if state.is_chopped(i) else name[0]
        for i, name in enumerate(kitchen.foods)
        if state.foods[i] == cell
    ]
    thing = "".join(letters)
    if state.plate_at(cell) != NONE:
        thing = f"({thing})"
    if cell == state.agent:
        return f"{'@' + thing:^7}"
    terrain = kitchen.terrain[cell]
    if terrain == COUNTER:
        return (f" {thing} " if thing else "").center(7, "#")
    return {FLOOR: "   .   ", KNIFE: f"[{thing:^5}]", HATCH: f"<{thing:<^5}<"}[terrain]
