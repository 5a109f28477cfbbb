"""The numbers left as playing cards, drawn with Pillow or in characters. Knows no rules."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from ..render import pillow
from .rules import TARGET, Numbers

SIZE = (520, 200)
"""Pixels: width and height of the picture."""
CARD_W, CARD_H, GAP, CARDS = 104, 148, 20, 4
"""Pixels of a card and of the gap between two, and how many there is room for."""
SCALE = 3
"""Everything is drawn this many times larger and then shrunk, which smooths the edges."""

TABLE, FELT, PAPER, EDGE, INK, SLOT, GOLD = "#23473a", "#2c5a49", "#fffdf5", "#c9c2ae", "#2f3440", "#3b6b59", "#f2c14e"
SUITS = ("#c0392b", "#2f3440", "#1f6fb2", "#7d3c98")
"""Colours of the numbers by their place."""


def picture(numbers: Numbers) -> np.ndarray:
    """The cards on a table as uint8 [200, 520, 3]; used places are empty, a last card of 24 is gold."""
    Image, ImageDraw, _ = pillow()
    image = Image.new("RGB", (SIZE[0] * SCALE, SIZE[1] * SCALE), TABLE)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle(_scaled(8, 8, SIZE[0] - 8, SIZE[1] - 8), 14 * SCALE, FELT)
    left = (SIZE[0] - CARDS * CARD_W - (CARDS - 1) * GAP) // 2
    top = (SIZE[1] - CARD_H) // 2
    for place in range(CARDS):
        x = left + place * (CARD_W + GAP)
        box = _scaled(x, top, x + CARD_W, top + CARD_H)
        if place >= len(numbers):
            draw.rounded_rectangle(box, 10 * SCALE, outline=SLOT, width=2 * SCALE)
            continue
        is_won = numbers == (TARGET,)
        draw.rounded_rectangle(box, 10 * SCALE, GOLD if is_won else PAPER, EDGE, 2 * SCALE)
        _number(draw, numbers[place], x + CARD_W / 2, top + CARD_H / 2, SUITS[place])
    return np.asarray(image.resize(SIZE, Image.Resampling.LANCZOS), np.uint8)


def _scaled(*numbers: float) -> tuple[float, ...]:
    return tuple(number * SCALE for number in numbers)


def _number(draw: Any, number: Fraction, x: float, y: float, colour: str) -> None:
    """A number in the middle of a card, a fraction with a bar, and small in two corners."""
    if number.denominator == 1:
        _centred(draw, str(number), x, y, 54, colour)
    else:
        _centred(draw, str(number.numerator), x, y - 25, 40, colour)
        _centred(draw, str(number.denominator), x, y + 25, 40, colour)
        draw.line(_scaled(x - 32, y, x + 32, y), colour, 3 * SCALE)
    for dx, dy in ((-1, -1), (1, 1)):
        corner = _scaled(x + dx * (CARD_W / 2 - 8), y + dy * (CARD_H / 2 - 13))
        font = pillow()[2].load_default(13 * SCALE)
        draw.text(corner, str(number), colour, font, anchor="lm" if dx < 0 else "rm")


def _centred(draw: Any, text: str, x: float, y: float, size: int, colour: str) -> None:
    """A text around a point, smaller where it would be wider than the card."""
    load = pillow()[2].load_default
    width = load(size * SCALE).getlength(text) / SCALE
    font = load(min(size, size * (CARD_W - 16) / width) * SCALE)
    draw.text(_scaled(x, y), text, colour, font, anchor="mm")


def characters(numbers: Numbers) -> str:
    """The cards in characters, five lines."""
    texts = [str(number) for number in numbers]
    widths = [max(3, len(text)) + 4 for text in texts]
    edge = " ".join("+" + "-" * width + "+" for width in widths)
    empty = " ".join("|" + " " * width + "|" for width in widths)
    middle = " ".join("|" + text.center(width) + "|" for text, width in zip(texts, widths, strict=True))
    return "\n".join((edge, empty, middle, empty, edge))
