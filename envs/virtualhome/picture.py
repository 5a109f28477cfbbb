"""The home in cross-section, four rooms drawn with Pillow. Knows a `Situation`, not the rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..render import pillow
from .drawings import ALONE, FURNITURE, ITEMS, LABELS, MACHINES, PLACES, SPOTS, Shape
from .situation import PLAN, Piece, Situation
from .tasks import ROOMS

SIZE = (500, 344)
"""Pixels: width and height of the picture."""
ROOM_W, ROOM_H, WALL, FLOOR = 240, 164, 6, 34
"""Pixels: the inside of a room, the thickness of a wall, the height of the strip of floor."""
SCALE = 3
"""Everything is drawn this many times larger and then shrunk, which smooths the edges."""

INK, SKIN, HAIR, SHIRT, TROUSERS = "#2f3440", "#f2c9a1", "#5b3a29", "#d9534f", "#3f5b8c"
WALLS = ("#fbf1dc", "#dcecf0", "#ece4f3", "#e8efdc")
FLOORS = ("#cfa97a", "#a9c3ca", "#b79f86", "#b98d62")


class _Brush:
    """Draws shapes of one room: shifts and enlarges the coordinates."""

    def __init__(self, draw: Any, x: float, y: float):
        self._draw, self._x, self._y = draw, x, y

    def at(self, x: float, y: float) -> _Brush:
        return _Brush(self._draw, self._x + x, self._y + y)

    def shapes(self, shapes: tuple[Shape, ...]) -> None:
        for kind, numbers, colour in shapes:
            xy = [
                ((self._x + x) * SCALE, (self._y + y) * SCALE) for x, y in zip(numbers[::2], numbers[1::2], strict=True)
            ]
            if kind == "poly":
                self._draw.polygon(xy, fill=colour)
            elif kind == "oval":
                self._draw.ellipse(xy, fill=colour)
            else:
                self._draw.rounded_rectangle(xy, radius=1.5 * SCALE, fill=colour)

    def label(self, words: str, x: float, y: float, marked: bool = False) -> None:
        """A label centred at (x, y), or as near as the walls allow; amber when marked."""
        font, edge = pillow()[2].load_default(9 * SCALE), 2 * SCALE
        half = self._draw.textlength(words, font=font) / 2 / SCALE + 5
        xy = (self._x + min(max(x, half), ROOM_W - half)) * SCALE, (self._y + y) * SCALE
        left, top, right, bottom = self._draw.textbbox(xy, words, font=font, anchor="mm")
        frame = (left - edge, top - edge, right + edge, bottom + edge)
        self._draw.rounded_rectangle(frame, radius=edge, fill="#ffc94d" if marked else "#fffffff0")
        self._draw.text(xy, words, fill=INK, font=font, anchor="mm")


def draw(situation: Situation) -> np.ndarray:
    """The situation as uint8 [344, 500, 3]."""
    Image, ImageDraw, _ = pillow()
    image = Image.new("RGB", (SIZE[0] * SCALE, SIZE[1] * SCALE), "#4a4038")
    pen = ImageDraw.Draw(image, "RGBA")
    for row, rooms in enumerate(PLAN):
        for column, room in enumerate(rooms):
            brush = _Brush(pen, WALL + column * (ROOM_W + WALL + 2), WALL + row * (ROOM_H + WALL - 2))
            _room(brush, situation, room)
    return np.asarray(image.resize(SIZE, Image.Resampling.LANCZOS), np.uint8)


def _room(brush: _Brush, situation: Situation, room: int) -> None:
    here = situation.room == room
    brush.shapes((("box", (0, 0, ROOM_W, ROOM_H), WALLS[room]),))
    brush.shapes((("box", (0, ROOM_H - FLOOR, ROOM_W, ROOM_H), FLOORS[room]), *FURNITURE[room]))
    pieces = [piece for piece in situation.pieces if piece.room == room]
    for piece in sorted(pieces, key=lambda piece: bool(piece.place)):
        if piece.place:
            if not _is_shut_in(piece, pieces):
                brush.at(*PLACES[piece.place]).shapes(ITEMS[piece.noun])
        elif piece.noun in MACHINES:
            brush.shapes(MACHINES[piece.noun][piece.condition])
    if here:
        _agent(brush, situation, pieces)
    else:
        brush.shapes((("box", (0, 0, ROOM_W, ROOM_H), "#2a303838"),))
    for piece in pieces:
        if any(piece.place == f"in the {other.noun}" for other in pieces):
            continue  # seen through the open door; a label would hide it
        x, y = LABELS[piece.noun] if not piece.place else PLACES[piece.place]
        words = f"{piece.noun}: {piece.condition}" if piece.condition else piece.noun
        brush.label(words, x, y - 27 if piece.place else y, marked=here and piece.near)
    brush.label(ROOMS[room].upper(), 0, 10)


def _is_shut_in(piece: Piece, pieces: list[Piece]) -> bool:
    return any(piece.place == f"in the {other.noun}" and other.condition == "closed" for other in pieces)


def _agent(brush: _Brush, situation: Situation, pieces: list[Piece]) -> None:
    near = [piece for piece in pieces if piece.near]
    spots = [SPOTS[piece.noun] for piece in near if piece.noun in SPOTS]
    spots += [PLACES[piece.place][0] + 24 for piece in near if piece.place]
    x = spots[0] if spots else ALONE[situation.room]
    body = brush.at(x, 132 if situation.sits else 156)
    legs: tuple[Shape, ...] = (("box", (-7, -24, -1, 0), TROUSERS), ("box", (1, -24, 7, 0), TROUSERS))
    if situation.sits:
        legs = (("box", (-8, -14, -1, -4), TROUSERS), ("box", (1, -14, 8, -4), TROUSERS))
        legs += (("box", (-8, -8, -2, 16), TROUSERS), ("box", (2, -8, 8, 16), TROUSERS))
    body.shapes(
        (
            *legs,
            ("box", (-9, -48, 9, -20 if not situation.sits else -10), SHIRT),
            ("oval", (-8, -67, 8, -49), HAIR),
            ("oval", (-7, -64, 7, -47), SKIN),
            ("oval", (-4, -58, -2, -55), INK),
            ("oval", (2, -58, 4, -55), INK),
            ("box", (-15, -46, -9, -26), SHIRT),
            ("box", (9, -46, 15, -26), SHIRT),
            ("oval", (-16, -29, -9, -22), SKIN),
            ("oval", (9, -29, 16, -22), SKIN),
        )
    )
    for side, noun in zip((1, -1), situation.held, strict=False):
        body.at(17 * side, -24).shapes(ITEMS[noun])
