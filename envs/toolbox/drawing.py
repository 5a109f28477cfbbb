"""The toolbox as a window: the question, the answers on offer, what was found, the frames. Knows no rules."""

from __future__ import annotations

from collections.abc import Sequence

from .. import window
from ..window import Row
from . import text
from .questions import Question, asked

MOST_ROWS = 7
"""Beside the question and its answers; the last are shown."""

Lines = Sequence[tuple[int, str]]
"""What was found and what is worked on, with the number of frames around it."""


def page(question: Question | None, left: int, lines: Lines) -> tuple[str, list[Row]]:
    """The title of the window and its rows."""
    rows = [Row("All questions are answered." if question is None else asked(question), is_task=True)]
    if question is not None:
        rows.append(Row("", chips=tuple((answer, False) for answer in question.answers)))
    rows += [Row("   " * depth + line) for depth, line in lines[-MOST_ROWS:]]
    return f"Toolbox: {text.questions_left(left)[:-1]}", rows


def picture(question: Question | None, left: int, lines: Lines = ()):
    """The window as uint8 [330, 660, 3]."""
    return window.picture(*page(question, left, lines))


def characters(question: Question | None, left: int, lines: Lines = ()) -> str:
    """The window in characters."""
    return window.characters(*page(question, left, lines))
