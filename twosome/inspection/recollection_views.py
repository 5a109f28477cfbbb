"""How it looks what a memory recalled, and how that moved a decision: in a terminal and in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Protocol

import numpy as np

from twosome.inspection.recollection import Recalled, Recollection
from twosome.inspection.views import BAR, CELL, LEFT, bar, html_bar, nats, percent

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

LONGEST = 300  # characters of a scene
MOVED = ("action", "Q", "without", "with", "log p without", "with", "moved by")
NOTE = "Q: what the recalled records say it is worth; log p: of the action among those of the menu, in nats"


class Distribution(Protocol):
    """A distribution over a menu."""

    @property
    def actions(self) -> tuple[str, ...]: ...
    @property
    def probs(self) -> np.ndarray: ...
    @property
    def log_probs(self) -> np.ndarray: ...


def title(r: Recollection) -> str:
    """How many records were recalled, and by what settings."""
    n = len(r.recalled)
    return f"{n or 'No'} record{'' if n == 1 else 's'} recalled" + (f" ({r.how})" if r.how else "")


def listed(entry: Recalled) -> list[tuple[str, str, float]]:
    """Its actions with a sign: those to take, then those to leave."""
    lists = (("+", entry.encouraged), ("−", entry.discouraged))
    return [(mark, action, value) for mark, entries in lists for action, value in entries]


def moves(r: Recollection, without: Distribution, given: Distribution) -> list[tuple[int, str, str]]:
    """Of every action, the most probable first: its place in the menu, its Q, and by how much its log p moved."""
    rows = []
    for i in sorted(range(len(given.actions)), key=lambda i: -given.probs[i]):
        value = r.values.get(given.actions[i])
        by = float(given.log_probs[i] - without.log_probs[i])
        rows.append((i, "" if value is None else f"{value:.3f}", f"{'+' if by >= 0.005 else ''}{nats(by)}"))
    return rows


def _short(text: str) -> str:
    """A text of a record on one line."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."


# Terminal -------------------------------------------------------------------------------------------------------------


def rich_group(r: Recollection, without: Distribution, given: Distribution) -> RenderableType:
    """The records, the advice as it was read, and the probabilities without it and with it."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[RenderableType] = [Text(f"\n{title(r)}", style="bold")]
    if r.recalled:
        parts.append(_records(r))
    if r.text:
        parts += [Text("\nRead before the state", style="bold"), Padding(Text(r.text.rstrip("\n")), (0, 0, 0, 2))]
    parts += [Text("\nHow that moved the policy", style="bold"), _moved(r, without, given), Text(NOTE, style="dim")]
    return Group(*parts)


def _records(r: Recollection) -> Table:
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False)
    for name, justify in (("similar", "right"), ("visits", "right"), ("goal and scene", "left"), ("Q there", "left")):
        drawn.add_column(name, justify=justify)  # type: ignore[arg-type]
    for entry in r.recalled:
        known = "\n".join(f"{mark} {_short(action)} {value:.3f}" for mark, action, value in listed(entry))
        where = f"{_short(entry.goal)} {_short(entry.scene)}"
        drawn.add_row(f"{entry.similarity:.3f}", f"{entry.visits:,}", Text(where), Text(known))
    return drawn


def _moved(r: Recollection, without: Distribution, given: Distribution) -> Table:
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False)
    for k, name in enumerate(MOVED):
        drawn.add_column(name, justify="left" if k in (0, 2, 3) else "right", no_wrap=True)
    for i, value, by in moves(r, without, given):
        shares = [f"{bar(d.probs[i], 8)} {percent(d.probs[i]):>7}" for d in (without, given)]
        logs = [nats(float(d.log_probs[i])) for d in (without, given)]
        drawn.add_row(Text(given.actions[i]), value, *shares, *logs, by)
    return drawn


# Notebook -------------------------------------------------------------------------------------------------------------


def html(r: Recollection, without: Distribution, given: Distribution) -> str:
    """The same as tables; the advice in a fold."""
    rows = []
    for i, value, by in moves(r, without, given):
        cells = [f"<td {LEFT}>{escape(given.actions[i])}</td><td {CELL}>{value}</td>"]
        for d in (without, given):
            cells.append(f"<td {BAR}>{html_bar(d.probs[i], 10)}</td><td {CELL}>{percent(d.probs[i])}</td>")
        cells += [f"<td {CELL}>{nats(float(d.log_probs[i]))}</td>" for d in (without, given)]
        rows.append(f"<tr>{''.join(cells)}<td {CELL}>{by}</td></tr>")
    looks = [LEFT, CELL, *[f"{LEFT} colspan=2"] * 2, *[CELL] * 3]
    heads = "".join(f"<th {look}>{name}</th>" for look, name in zip(looks, MOVED, strict=True))
    records = "".join(_html_record(entry) for entry in r.recalled)
    top = f"<tr><th {CELL}>similar</th><th {CELL}>visits</th><th {LEFT}>goal and scene</th><th {LEFT}>Q there</th></tr>"
    table = f"<table><thead>{top}</thead><tbody>{records}</tbody></table>" if records else ""
    read = f"<details><summary>read before the state</summary><pre>{escape(r.text)}</pre></details>" if r.text else ""
    return (
        f"<div><b>{escape(title(r))}</b>{table}{read}"
        f"<b>how that moved the policy</b><table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        f"<small>{NOTE}</small></div>"
    )


def _html_record(entry: Recalled) -> str:
    known = "<br>".join(f"{mark} {escape(_short(action))} {value:.3f}" for mark, action, value in listed(entry))
    where = f"{escape(_short(entry.goal))}<br>{escape(_short(entry.scene))}"
    numbers = f"<td {CELL}>{entry.similarity:.3f}</td><td {CELL}>{entry.visits:,}</td>"
    return f'<tr>{numbers}<td style="text-align:left">{where}</td><td {LEFT}>{known}</td></tr>'
