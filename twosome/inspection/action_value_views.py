"""A distribution over a menu whose actions have values of their own, in a terminal and in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Protocol

import numpy as np

from twosome.inspection import views

if TYPE_CHECKING:
    from rich.console import RenderableType

HEADS = ("action", "", "probability", "Q")
GIVEN = (
    "Chosen by Q: the expected discounted return after the action. What the language model would say does not count."
)
BESIDE = "Q: the discounted return that the critic expects after the action; it teaches the policy above."


class Valued(views.Shown, Protocol):
    """A distribution whose actions have values; `given` is not empty where they alone decide."""

    @property
    def action_values(self) -> tuple[float, ...]: ...
    @property
    def given(self) -> tuple[float, ...]: ...
    @property
    def log_probs(self) -> np.ndarray: ...


def rich_table(d: Valued) -> RenderableType:
    """The actions with their values; above it what the scores come to, where these decide."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(title=None if not d.given else headline(d), title_justify="left", title_style="bold", box=None)
    for name in HEADS:
        table.add_column(name, justify="right" if name in HEADS[2:] else "left", no_wrap=True)
    for i in views.order(d):
        numbers = views.percent(d.probs[i]), f"{d.action_values[i]:.3f}"
        table.add_row(Text(d.actions[i]), views.bar(d.probs[i], 10), *numbers)
    parts: list[RenderableType] = [] if d.given else [views.rich_table(d)]
    return Group(*parts, table, Text(_notes(d), style="dim"))


def headline(d: Valued) -> str:
    """Value and entropy in a line."""
    return f"value {d.value:.3f}, entropy {d.entropy:.2f} nats, chosen by Q"


def html(d: Valued) -> str:
    """The same. Inline styles only; legible where they are stripped."""
    heads = "".join(f"<th {views.LEFT if k < 2 else views.CELL}>{name}</th>" for k, name in enumerate(HEADS))
    rows = "".join(
        f"<tr><td {views.LEFT}>{escape(d.actions[i])}</td><td {views.BAR}>{views.html_bar(d.probs[i])}</td>"
        f"<td {views.CELL}>{views.percent(d.probs[i])}</td><td {views.CELL}>{d.action_values[i]:.3f}</td></tr>"
        for i in views.order(d)
    )
    above = f"<b>{escape(headline(d))}</b>" if d.given else views.html(d)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<div>{above}{table}<small>{escape(_notes(d))}</small></div>"


def _notes(d: Valued) -> str:
    if not d.given:
        return BESIDE
    return GIVEN + (f"\nnot possible here: {', '.join(d.illegal)}" if d.illegal else "")
