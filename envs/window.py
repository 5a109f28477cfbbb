"""A page in a window, for worlds that are pages: rows of text, drawn with Pillow or in characters. Knows no world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .render import pillow

SIZE = (660, 330)
"""Pixels: width and height of the picture."""
BAR, ROW, EDGE_X, MARGIN = 34, 31, 10, 24
"""Pixels: height of the title bar and of a row, edge around the window, left and right margin of its text."""
DOT, CHIP = 13, 22
"""Pixels: side of a coloured square, height of a chip."""
SCALE = 3
"""Everything is drawn this many times larger and then shrunk, which smooths the edges."""

DESK, PAPER, TITLE, EDGE, INK, FAINT, LINE = "#dfe6ee", "#ffffff", "#33516e", "#a9b6c4", "#2f3440", "#7d8794", "#e7ebf0"
CHOSEN, TASK = "#ffd873", "#f3f6fa"

WIDTH = 76
"""Characters of a line of the window."""


class Row(NamedTuple):
    """One row of a page.

    note: faint text on the right; dots: colours of the squares before it; chips: words in frames after the text, and
    whether each is chosen; is_task: it stands on a ground of its own, as what is to be done.
    """

    text: str
    note: str = ""
    dots: tuple[str, ...] = ()
    chips: tuple[tuple[str, bool], ...] = ()
    is_task: bool = False


def picture(title: str, rows: Sequence[Row]) -> np.ndarray:
    """The window as uint8 [330, 660, 3]; there is room for nine rows."""
    Image, ImageDraw, _ = pillow()
    image = Image.new("RGB", (SIZE[0] * SCALE, SIZE[1] * SCALE), DESK)
    draw = ImageDraw.Draw(image)
    left, right = EDGE_X, SIZE[0] - EDGE_X
    draw.rounded_rectangle(_scaled(left, 6, right, SIZE[1] - 6), 8 * SCALE, PAPER, EDGE, SCALE)
    draw.rounded_rectangle(_scaled(left, 6, right, 6 + BAR), 8 * SCALE, TITLE)
    draw.rectangle(_scaled(left, 6 + BAR - 8, right, 6 + BAR), TITLE)
    draw.text(_scaled(MARGIN, 6 + BAR / 2), title, PAPER, _font(15), anchor="lm")
    for number, row in enumerate(rows):
        _row(draw, row, 6 + BAR + number * ROW)
    return np.asarray(image.resize(SIZE, Image.Resampling.LANCZOS), np.uint8)


def _row(draw: Any, row: Row, top: float) -> None:
    middle, right = top + ROW / 2, SIZE[0] - MARGIN
    if row.is_task:
        draw.rectangle(_scaled(EDGE_X + 1, top, SIZE[0] - EDGE_X - 1, top + ROW), TASK)
    draw.line(_scaled(EDGE_X + 1, top + ROW, SIZE[0] - EDGE_X - 1, top + ROW), LINE, SCALE)
    draw.text(_scaled(MARGIN, middle), row.text, INK, _font(14), anchor="lm")
    draw.text(_scaled(right, middle), row.note, FAINT, _font(13), anchor="rm")
    x = right - _font(13).getlength(row.note) / SCALE - 12
    for colour in reversed(row.dots):
        draw.rectangle(_scaled(x - DOT, middle - DOT / 2, x, middle + DOT / 2), colour, EDGE, SCALE)
        x -= DOT + 5
    x = MARGIN + _font(14).getlength(row.text) / SCALE + 10
    for word, is_chosen in row.chips:
        width = _font(13).getlength(word) / SCALE + 16
        box = _scaled(x, middle - CHIP / 2, x + width, middle + CHIP / 2)
        draw.rounded_rectangle(box, 9 * SCALE, CHOSEN if is_chosen else PAPER, EDGE, SCALE)
        draw.text(_scaled(x + width / 2, middle), word, INK, _font(13), anchor="mm")
        x += width + 8


def _scaled(*numbers: float) -> tuple[float, ...]:
    return tuple(number * SCALE for number in numbers)


def _font(size: int) -> Any:
    return pillow()[2].load_default(size * SCALE)


def characters(title: str, rows: Sequence[Row]) -> str:
    """The window in characters; what is chosen stands in brackets."""
    lines = [f"+{f' {title} ':-^{WIDTH}}+"]
    for row in rows:
        chips = "".join(f" [{word}]" if is_chosen else f" {word}" for word, is_chosen in row.chips)
        text, room = row.text + chips, WIDTH - 2 - len(row.note)
        lines += [f"| {text:<{room}}{row.note} |"]
    lines += [f"|{'':{WIDTH}}|"] * max(0, 6 - len(rows))
    return "\n".join([*lines, f"+{'':-^{WIDTH}}+"])
