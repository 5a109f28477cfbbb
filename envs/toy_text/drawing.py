"""A grid of cells, drawn with Pillow or in characters. Knows no world."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..render import pillow

COLOURS = {
    "F": "#d9edf7",
    "S": "#e8e2cf",
    "H": "#2d5f8b",
    "G": "#f2c14e",
    "C": "#5b4636",
    ".": "#e9e6dc",
    "R": "#e07a6f",
    "g": "#8fbf8f",
    "Y": "#e8d46a",
    "B": "#7aa7d9",
    "|": "#4a4a4a",
    " ": "#e9e6dc",
    "p": "#9b59b6",
    "@": "#2e7d32",
    "%": "#9b59b6",
}
"""Of the signs: ice, start, hole, goal, cliff, ground, stands, wall, gap, passenger, the agent, and with a passenger.
"""
INK, EDGE = "#2b2b2b", "#b9b3a3"
WIDTH = 520
"""Pixels of a picture."""
MOST = 72
"""Pixels of a cell at most."""


def characters(rows: Sequence[str]) -> str:
    """The cells in a frame; `@` is where one stands."""
    edge = "+" + "-" * len(rows[0]) + "+"
    return "\n".join([edge, *(f"|{row}|" for row in rows), edge])


def picture(rows: Sequence[str]) -> np.ndarray:
    """The cells as uint8 [height, 520, 3], those that are more than ground with their sign."""
    Image, ImageDraw, ImageFont = pillow()
    side = min(MOST, (WIDTH - 20) // len(rows[0]))
    left = (WIDTH - side * len(rows[0])) // 2
    image = Image.new("RGB", (WIDTH, side * len(rows) + 20), "#fffdf7")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(side // 2)
    for y, row in enumerate(rows):
        for x, sign in enumerate(row):
            corner = left + x * side, 10 + y * side
            draw.rectangle((*corner, corner[0] + side, corner[1] + side), COLOURS[sign], EDGE)
            if sign not in ".F |C":
                draw.text((corner[0] + side / 2, corner[1] + side / 2), sign, INK, font, anchor="mm")
    return np.asarray(image, np.uint8)
