"""How a decision looks: a table in a notebook, in a terminal and as plain text, and a figure.

Bars are made of block characters, so that they print everywhere in the text's own colour: on paper, in dark
mode, in a log, where style sheets are stripped. Nothing is told by colour alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from twosome.inspection.parts import Word, optional
from twosome.types import NORMALIZATIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.console import RenderableType
    from rich.table import Table


class Shown(Protocol):
    """A distribution over a menu, as `distribution.ActionDistribution` is one."""

    @property
    def actions(self) -> tuple[str, ...]: ...
    @property
    def illegal(self) -> tuple[str, ...]: ...
    @property
    def words(self) -> tuple[tuple[Word, ...], ...]: ...
    @property
    def probs(self) -> np.ndarray: ...
    @property
    def sums(self) -> np.ndarray: ...
    @property
    def by_normalization(self) -> dict[str, np.ndarray]: ...
    @property
    def normalization(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def entropy(self) -> float: ...


class SideBySide(Protocol):
    """Distributions by name, as `comparison.Comparison` holds them."""

    @property
    def actions(self) -> tuple[str, ...]: ...
    @property
    def parts(self) -> Mapping[str, Shown]: ...
    def probs(self, action: str) -> dict[str, float | None]: ...


class Printable(Protocol):
    """What rich can print."""

    def __rich__(self) -> RenderableType: ...


HEADS = {"word": "word", "token": "token", "sum": "sum", "unconditional": "uncond."}
EIGHTHS = " ▏▎▍▌▋▊▉"
INK, PALE, EDGE = "#3a6ea5", "#b9cbe0", "#1f3f63"
LOOKS: tuple[dict[str, Any], ...] = (  # told apart by lightness and hatching too
    {"color": PALE, "hatch": "//"},
    {"color": INK},
    {"color": "white", "hatch": ".."},
    {"color": EDGE},
)


def bar(share: float, width: int = 12) -> str:
    """A bar of block characters, an eighth of a character fine.

    >>> bar(0.5, 4)
    '██  '
    """
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[rest] if rest else "")).ljust(width)


def percent(p: float) -> str:
    """Three figures are enough; what is not 0 does not print as 0.

    >>> [percent(p) for p in (1.0, 0.25, 0.0123, 0.00001, 0.0)]
    ['100 %', '25.0 %', '1.2 %', '<0.1 %', '0 %']
    """
    if 0 < p < 0.0005:
        return "<0.1 %"
    return f"{100 * p:.0f} %" if p in (0.0, 1.0) or p >= 0.9995 else f"{100 * p:.1f} %"


def spelled(word: Word) -> str:
    """A word cut into its tokens: 'tom|ato'."""
    return "|".join(t.piece.strip() or "␣" for t in word.tokens) or word.word


def nats(x: float) -> str:
    """Two decimals, without a minus sign before zero."""
    return f"{x:.2f}" if x <= -0.005 or x >= 0.005 else "0.00"


def order(d: Shown) -> list[int]:
    """Actions from the most to the least probable."""
    return sorted(range(len(d.actions)), key=lambda i: -d.probs[i])


def headline(d: Shown) -> str:
    most = math.log(len(d.actions))
    certainty = f"entropy {d.entropy:.2f} nats" + (f" of at most {most:.2f}" if most else "")
    return f"value {d.value:.3f}, {certainty}, scores by {d.normalization}"


# Terminal --------------------------------------------------------------------------------------------------


def rich_table(d: Shown) -> RenderableType:
    """The table and, below, every word and token with its log-probability."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(title=headline(d), title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("action", no_wrap=True)
    table.add_column("")
    for name in NORMALIZATIONS:
        mine, style = ("*", "bold") if name == d.normalization else ("", "")
        table.add_column(HEADS[name] + mine, justify="right", style=style, no_wrap=True)
    table.add_column("log p", justify="right", no_wrap=True)
    for i in order(d):
        shares = [percent(d.by_normalization[name][i]) for name in NORMALIZATIONS]
        table.add_row(Text(d.actions[i]), bar(d.probs[i], 10), *shares, nats(d.sums[i]))
    notes = "* the policy's own; log p: of the whole phrase, in nats"
    if d.illegal:
        notes += f"\nnot possible here: {', '.join(d.illegal)}"
    words = Table(title="Log-probability of each word (of each token)", box=None, pad_edge=False, show_header=False)
    words.title_justify = "left"
    words.add_column(no_wrap=True)
    words.add_column(overflow="fold")
    for i in order(d):
        words.add_row(f"{percent(d.probs[i]):>7}", Text("  ".join(_word_line(w) for w in d.words[i])))
    return Group(table, Text(notes, style="dim"), Padding(words, (1, 0, 0, 0)))


def _word_line(w: Word) -> str:
    if len(w.tokens) < 2:
        return f"{w.word} {nats(w.log_prob)}"
    return f"{spelled(w)} {nats(w.log_prob)} ({'|'.join(f'{nats(t.log_prob)}' for t in w.tokens)})"


def comparison_table(c: SideBySide) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("action", no_wrap=True)
    for name in c.parts:
        table.add_column(name, justify="left", no_wrap=True)
    for action in c.actions:
        table.add_row(Text(action), *_cells(c, action, lambda p: f"{bar(p, 8)} {percent(p):>7}"))
    for what, values in _summary(c).items():
        table.add_row(Text(what, style="italic"), *values)
    return table


def plain(shown: Printable, width: int = 110) -> str:
    """What a terminal would show, as text."""
    import io

    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False, color_system=None).print(shown.__rich__())
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


# Notebook --------------------------------------------------------------------------------------------------

CELL = 'style="text-align:right;font-variant-numeric:tabular-nums"'
LEFT = 'style="text-align:left;white-space:nowrap"'
BAR = 'style="text-align:left;font-family:monospace;white-space:pre"'


def html(d: Shown) -> str:
    """One table, and the words in a fold below it. Inline styles only; legible where they are stripped."""
    heads = "".join(f"<th {CELL}>{HEADS[name]}{'*' if name == d.normalization else ''}</th>" for name in NORMALIZATIONS)
    rows = []
    for i in order(d):
        shares = "".join(
            f"<td {CELL}>{f'<b>{share}</b>' if name == d.normalization else share}</td>"
            for name in NORMALIZATIONS
            for share in [percent(d.by_normalization[name][i])]
        )
        start = f"<td {LEFT}>{escape(d.actions[i])}</td><td {BAR}>{html_bar(d.probs[i])}</td>"
        rows.append(f"<tr>{start}{shares}<td {CELL}>{nats(d.sums[i])}</td></tr>")
    illegal = ", ".join(f"<s>{escape(a)}</s>" for a in d.illegal)
    words = "".join(f"<tr>{''.join(_word_cell(w) for w in d.words[i])}</tr>" for i in order(d))
    return (
        f"<div><b>{escape(headline(d))}</b>"
        f"<table><thead><tr><th {LEFT}>action</th><th></th>{heads}<th {CELL}>log p</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
        "<small>* the policy's own normalisation; log p: of the whole phrase, in nats"
        f"{f'<br>not possible here: {illegal}' if illegal else ''}</small>"
        "<details open><summary>log-probability of each word, and of its tokens</summary>"
        f"<table><tbody>{words}</tbody></table></details></div>"
    )


def html_bar(share: float, width: int = 12) -> str:
    """A bar whose full blocks also have their own background, which closes the seams that some fonts leave."""
    return re.sub("(█+)", r'<span style="background:currentColor">\1</span>', bar(share, width))


def _word_cell(w: Word) -> str:
    tokens = f"<br><small>{' | '.join(nats(t.log_prob) for t in w.tokens)}</small>" if len(w.tokens) > 1 else ""
    word = f"{escape(spelled(w))}<br><b>{nats(w.log_prob)}</b>"
    return f'<td style="text-align:center;vertical-align:top">{word}{tokens}</td>'


def comparison_html(c: SideBySide) -> str:
    heads = "".join(f"<th {LEFT} colspan=2>{escape(name)}</th>" for name in c.parts)

    def cell(p: float | None) -> str:
        if p is None:
            return f"<td {LEFT} colspan=2><i>not possible here</i></td>"
        return f"<td {BAR}>{html_bar(p, 10)}</td><td {CELL}>{percent(p)}</td>"

    rows = []
    for action in c.actions:
        cells = "".join(cell(p) for p in c.probs(action).values())
        rows.append(f"<tr><td {LEFT}>{escape(action)}</td>{cells}</tr>")
    for what, numbers in _summary(c).items():
        cells = "".join(f"<td {LEFT} colspan=2>{v}</td>" for v in numbers)
        rows.append(f"<tr><td {LEFT}><i>{what}</i></td>{cells}</tr>")
    top = f"<thead><tr><th {LEFT}>action</th>{heads}</tr></thead>"
    return f"<table>{top}<tbody>{''.join(rows)}</tbody></table>"


def _cells(c: SideBySide, action: str, show: Callable[[float], str]) -> list[str]:
    return [show(p) if p is not None else "not possible here" for p in c.probs(action).values()]


def _summary(c: SideBySide) -> dict[str, list[str]]:
    parts = c.parts.values()
    return {"entropy (nats)": [nats(d.entropy) for d in parts], "value": [f"{d.value:.3f}" for d in parts]}


# Figure ----------------------------------------------------------------------------------------------------


def plot(d: Shown, ax: Axes | None = None) -> Axes:
    """Horizontal bars, the most probable on top, each with its number; illegal actions below, with a note."""
    chosen = order(d)
    names = [d.actions[i] for i in chosen] + list(d.illegal)
    shares = [float(d.probs[i]) for i in chosen] + [0.0] * len(d.illegal)
    ax = _axes(ax, len(names))
    ax.barh(range(len(names)), shares, color=INK, edgecolor=EDGE)
    for y, p in enumerate(shares):
        ax.text(p + 0.01, y, percent(p) if y < len(chosen) else "not possible here", va="center", fontsize=9)
    _finish(ax, names)
    ax.set_title(headline(d), fontsize=10, loc="left")
    return ax


def plot_comparison(c: SideBySide, ax: Axes | None = None) -> Axes:
    """Grouped bars, one group per action, told apart by lightness and hatching."""
    names, parts = c.actions, list(c.parts)
    ax = _axes(ax, len(names) * (0.5 + 0.5 * len(parts)))
    height = 0.8 / len(parts)
    for k, name in enumerate(parts):
        shares = [c.probs(a)[name] or 0.0 for a in names]
        at = [y - 0.4 + height * (k + 0.5) for y in range(len(names))]
        ax.barh(at, shares, height, label=name, edgecolor=EDGE, linewidth=0.6, **LOOKS[k % len(LOOKS)])
        for y, p in zip(at, shares, strict=True):
            ax.text(p + 0.01, y, percent(p), va="center", fontsize=8)
    _finish(ax, list(names))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(parts), frameon=False, fontsize=9)
    return ax


def _axes(ax: Axes | None, rows: float) -> Axes:
    if ax is not None:
        return ax
    pyplot = optional("matplotlib.pyplot")
    return pyplot.subplots(figsize=(7.5, 0.9 + 0.32 * rows), layout="constrained")[1]


def _finish(ax: Axes, names: list[str]) -> None:
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.15)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "25 %", "50 %", "75 %", "100 %"])
    ax.set_xlabel("probability")
    ax.spines[["top", "right"]].set_visible(False)
