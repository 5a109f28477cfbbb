"""The open tasks as a tree and the rest as a list, drawn with Pillow or in characters. Knows no rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..render import pillow
from .recipes import TASKS
from .rules import UNSPLIT, State, has_succeeded
from .text import dropped, finished, missing

SIZE = (660, 330)
"""Pixels: width and height of the picture."""
TREE_W, BOX_W, BOX_H, ROW, TOP = 430, 150, 36, 62, 22
"""Pixels: width of the tree, size of a box, distance of two rows, upper edge of the first."""
LIST_X, LINE = 446, 15
"""Pixels: left edge of the list, height of its lines."""
SCALE = 3
"""Everything is drawn this many times larger and then shrunk, which smooths the edges."""

WALL, BENCH, EDGE, INK, FAINT = "#f4ead8", "#fffaf0", "#8d6438", "#2f3440", "#8a8577"
MADE, NOW, OPEN, WAITING, FAILED = "#a9d8a0", "#ffc94d", "#bcd3ea", "#fffdf7", "#e6a9a0"
HEADINGS = (("FINISHED", "#2e7d32"), ("MISSING", "#b23b3b"), ("GIVEN UP", "#6d6a75"))


class Node(NamedTuple):
    """A task of the tree: its row, its place in the row (0 left, 1 right, 0.5 alone), and how it stands."""

    row: int
    place: float
    task: int
    status: str


def nodes(state: State) -> Iterator[Node]:
    """The order, and the parts of every task on the stack."""
    if not state.stack:
        yield Node(0, 0.5, state.instance.thing, "made" if has_succeeded(state) else "failed")
        return
    path = [task for task, _ in state.stack]
    yield Node(0, 0.5, path[0], "now" if len(path) == 1 else "open")
    for row, (task, way) in enumerate(state.stack, 1):
        if way == UNSPLIT:
            return
        for place, part in enumerate(state.instance.ways[task][way]):
            if state.is_done(part):
                status = "made"
            elif part == path[row]:
                status = "now" if row == len(path) - 1 else "open"
            else:
                status = "waiting"
            yield Node(row, place, part, status)


def picture(state: State) -> np.ndarray:
    """The tree beside the list as uint8 [330, 660, 3]."""
    Image, ImageDraw, ImageFont = pillow()
    image = Image.new("RGB", (SIZE[0] * SCALE, SIZE[1] * SCALE), WALL)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle(_scaled(8, 8, TREE_W, SIZE[1] - 8), 8 * SCALE, BENCH, EDGE, SCALE)
    shown = list(nodes(state))
    parents = {node.row: node for node in shown if node.status in ("open", "now")}
    for node in shown:
        if node.row:
            _branch(draw, parents[node.row - 1], node)
    font = ImageFont.load_default(14 * SCALE)
    colours = {"made": MADE, "now": NOW, "open": OPEN, "waiting": WAITING, "failed": FAILED}
    for node in shown:
        x, y = _centre(node)
        box = _scaled(x - BOX_W / 2, y - BOX_H / 2, x + BOX_W / 2, y + BOX_H / 2)
        draw.rounded_rectangle(box, 7 * SCALE, colours[node.status], EDGE, SCALE * (2 if node.status == "now" else 1))
        draw.text(_scaled(x, y), TASKS[node.task], INK, font, anchor="mm")
    _list(draw, state, ImageFont)
    return np.asarray(image.resize(SIZE, Image.Resampling.LANCZOS), np.uint8)


def _scaled(*numbers: float) -> tuple[float, ...]:
    return tuple(number * SCALE for number in numbers)


def _centre(node: Node) -> tuple[float, float]:
    return TREE_W / 2 + (node.place - 0.5) * (BOX_W + 44), TOP + BOX_H / 2 + node.row * ROW


def _branch(draw: Any, parent: Node, node: Node) -> None:
    """A line from a task to its part."""
    (x, y), (to_x, to_y) = _centre(parent), _centre(node)
    draw.line(_scaled(x, y + BOX_H / 2, to_x, to_y - BOX_H / 2), EDGE, 2 * SCALE)


def _list(draw: Any, state: State, ImageFont: Any) -> None:
    """What is finished, missing and given up, as far as there is room."""
    font, y = ImageFont.load_default(11 * SCALE), 12
    for (heading, colour), names in zip(HEADINGS, (finished(state), missing(state), dropped(state)), strict=True):
        if not names:
            continue
        for text, shade in ((heading, colour), *((name, INK) for name in names)):
            if y < SIZE[1] - LINE:
                draw.text(_scaled(LIST_X if shade == colour else LIST_X + 10, y), text, shade, font)
            y += LINE
        y += 6
    if y == 12:
        draw.text(_scaled(LIST_X, y), "nothing at hand yet", FAINT, font)


MARKS = {"made": "[x]", "now": "[>]", "open": "[ ]", "waiting": "[ ]", "failed": "[!]"}


def characters(state: State) -> str:
    """The tree in characters, a part below the task that it belongs to, and the lists."""
    found = sorted(nodes(state), key=lambda node: node.row)
    lines: list[str] = []

    def tell(row: int) -> None:
        for node in (node for node in found if node.row == row):
            lines.append(f"{'    ' * row}{MARKS[node.status]} {TASKS[node.task]}")
            if node.status == "open":
                tell(row + 1)

    tell(0)
    for what, names in (("finished", finished(state)), ("missing", missing(state)), ("given up", dropped(state))):
        lines.append(f"{what + ':':<10}{', '.join(names) or '-'}")
    return "\n".join([*lines, "[x] finished   [>] now   [ ] open   [!] given up"])
