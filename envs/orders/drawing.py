"""The kitchen with a list of orders beside it, as a picture (needs Pillow) and in characters. Knows no rules."""

from __future__ import annotations

import numpy as np

from ..overcooked import drawing
from ..overcooked.state import Kitchen, State
from ..render import pillow

WIDTH, MARGIN, SLIP, GAP = 212, 12, 46, 10
"""Pixels: width of the board beside the kitchen, its margin, height of a slip, distance of two."""
SCALE = 3
"""Everything is drawn this many times larger and then shrunk, which smooths the edges."""

BOARD, PAPER, DONE, INK, FAINT, PIN = "#7a5534", "#fffdf5", "#cfe5c4", "#2f3440", "#7d8a76", "#d8362a"


def picture(kitchen: Kitchen, state: State, orders: tuple[str, ...], still_open: tuple[str, ...]) -> np.ndarray:
    """The kitchen, and a slip for every order, green when it is served: uint8 [height, width, 3]."""
    room = drawing.picture(kitchen, state)
    Image, ImageDraw, ImageFont = pillow()
    height = room.shape[0]
    board = Image.new("RGB", (WIDTH * SCALE, height * SCALE), BOARD)
    draw = ImageDraw.Draw(board)
    font, left_over = ImageFont.load_default(14 * SCALE), list(still_open)
    size = min(SLIP, (height - 2 * MARGIN) // len(orders) - GAP)
    for i, dish in enumerate(reversed(orders)):
        is_open = dish in left_over
        if is_open:
            left_over.remove(dish)
        y = MARGIN + (len(orders) - 1 - i) * (size + GAP)
        box = [n * SCALE for n in (MARGIN, y, WIDTH - MARGIN, y + size)]
        draw.rounded_rectangle(box, 4 * SCALE, PAPER if is_open else DONE)
        middle = (WIDTH / 2 * SCALE, (y + size / 2) * SCALE)
        words, shade = (dish, INK) if is_open else (f"{dish}: served", FAINT)
        width = font.getlength(words) / SCALE
        fitting = ImageFont.load_default(min(14, 14 * (WIDTH - 2 * MARGIN - 12) / width) * SCALE)
        draw.text(middle, words, shade, fitting, anchor="mm")
        draw.ellipse([n * SCALE for n in (WIDTH / 2 - 4, y - 3, WIDTH / 2 + 4, y + 5)], PIN)
    small = board.resize((WIDTH, height), Image.Resampling.LANCZOS)
    return np.concatenate([room, np.asarray(small, np.uint8)], axis=1)


def characters(kitchen: Kitchen, state: State, still_open: tuple[str, ...]) -> str:
    """The kitchen in characters, and the open orders."""
    return f"{drawing.characters(kitchen, state)}\norders: {', '.join(still_open) or '-'}"
