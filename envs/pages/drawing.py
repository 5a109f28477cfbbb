"""The pages as a window. Knows no rules."""

from __future__ import annotations

import numpy as np

from .. import window
from ..window import Row
from .articles import AUTHORS, CATEGORY_NAMES, DOINGS, VERBS, articles
from .rules import Place, State, parts, shown
from .text import heading, instruction, told, topic


def page(state: State) -> tuple[str, list[Row]]:
    """The title of a page and its rows; the instructions come first."""
    now, rows = state.page, [_instruction(state, i) for i in range(len(state.task.patterns))]
    if now.place == Place.START:
        rows.append(Row("Search for", chips=tuple((topic(it), False) for it in state.task.topics())))
    elif now.place == Place.ABOUT:
        rows.append(Row(told(now)))
    elif now.place == Place.ARTICLE:
        article = articles()[now.which]
        rows.append(Row(f"by {AUTHORS[article.author]}", f"in {CATEGORY_NAMES[article.category]}"))
        rows.append(Row(DOINGS[VERBS[article.verb]][1]))
        rows += [Row(f"see {articles()[i].title}") for i in article.references]
    else:
        rows += [Row(articles()[i].title) for i in shown(now)]
    place = f", page {now.part + 1} of {parts(now)}" if parts(now) else ""
    return f"Pages: {heading(now)}{place}", rows


def _instruction(state: State, number: int) -> Row:
    status = "done" if number < state.done else "now" if number == state.done else "later"
    return Row(f"{number + 1}. {instruction(state.task, state.task.patterns[number])}", status, is_task=True)


def picture(state: State) -> np.ndarray:
    """The page as uint8 [330, 660, 3]."""
    return window.picture(*page(state))


def characters(state: State) -> str:
    """The page in characters."""
    return window.characters(*page(state))
