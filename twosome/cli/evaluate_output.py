"""What `twosome-eval` leaves: `eval.json`, `eval.csv`, `eval.png`, and a table in the terminal."""

from __future__ import annotations

import csv
import importlib.util
import io
import logging
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from twosome import files
from twosome.errors import brief
from twosome.terminal import Console
from twosome.versions import versions

log = logging.getLogger(__name__)

RESULTS = ("eval.json", "eval.csv", "eval.png")


def keep_earlier(out: Path, pages: Iterable[str]) -> None:
    """Give what an earlier evaluation has left in the folder the time at which it was written for a name.

    `pages`: the names of the reports that will be written. Raises `CheckpointError`.
    """
    for name in (*RESULTS, *pages):
        path = out / name
        if path.is_file():
            written = f"{datetime.fromtimestamp(path.stat().st_mtime):%Y-%m-%d_%H-%M-%S}"
            files.keep(path, f"{path.stem}_{written}")


def write_results(out: Path, results: list[dict[str, Any]]) -> None:
    """Write `eval.json`, which holds the first result and all under `results`, and `eval.csv` with random play too.

    Raises `CheckpointError`.
    """
    files.write_json(out / "eval.json", results[0] | {"results": results, "versions": versions()})
    rows, text = _rows(results), io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    files.write_text(out / "eval.csv", text.getvalue())


def show_results(out: Path, results: list[dict[str, Any]]) -> None:
    """Print the table, and draw `eval.png` where matplotlib is installed."""
    rows = _rows(results)
    of = _of(results)
    _print(rows, out, of)
    try:
        _draw(rows, out / "eval.png", of)
    except Exception as error:  # a name may be anything; the numbers are written
        log.warning("eval.png is not drawn: %s: %s", type(error).__name__, brief(error))


def _cell(value: Any) -> Any:
    """A cell that a spreadsheet takes as a text, not as a formula, whatever a run is called."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _rows(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Greedy and sampled of every result; random play once for every environment, where it comes first."""
    rows: list[dict[str, Any]] = []
    for result in results:
        rows += [_row(result, "greedy"), _row(result, "sampled")]
        chance = _row(result, "random") | {"checkpoint": "random play"}
        rows += [] if chance in rows else [chance]
    return rows


def _row(result: dict[str, Any], how: str) -> dict[str, Any]:
    e, optimum = result[how], result["optimum"]
    return {
        "checkpoint": result["checkpoint"],
        "environment": result["environment"],
        "policy": how,
        "search": "" if how == "random" else _ahead(result["search"]),
        "memory": "" if how == "random" else _advised(result["memory"]),
        "episodes": e["episodes"],
        "return": round(e["return_mean"], 6),
        "return_low": round(e["return_interval"][0], 6),
        "return_high": round(e["return_interval"][1], 6),
        "optimum": optimum,
        "of_optimum": round(e["return_mean"] / optimum, 4) if optimum else None,
        "success": round(e["success_rate"], 4),
        "success_low": round(e["success_interval"][0], 4),
        "success_high": round(e["success_interval"][1], 4),
        "steps": round(e["length_mean"], 2),
    }


def _ahead(search: dict[str, Any] | None) -> str:
    """How far a policy thinks ahead, in words; empty where it decides alone."""
    if search is None:
        return ""
    playouts = " and playouts" if search["playouts"] else ""
    return f"{search['algorithm']}, {search['simulations']} simulations{playouts}"


def _advised(memory: dict[str, Any] | None) -> str:
    """What advises a policy, in words; empty where nothing does."""
    if memory is None:
        return ""
    return f"memory of {memory['records']:,} records, {memory['use']}, {memory['sha256'][:8]}"


def _of(results: list[dict[str, Any]]) -> str:
    """What a table or picture is of: the checkpoint, where it is one alone, and how far it thinks ahead."""
    checkpoints = {(r["checkpoint"], r["which"], r["folder"]) for r in results}
    (_, which, folder), *others = checkpoints
    told = [] if others or folder is None else [f"{folder} ({which})"]
    memories = {_advised(r["memory"]) for r in results}
    advised = memories.pop() if len(memories) == 1 else ""
    return "; ".join([*told, *filter(None, [_ahead(results[0]["search"]), advised])])


def _print(rows: list[dict[str, Any]], out: Path, of: str) -> None:
    title = "; ".join(filter(None, [of, f"{rows[0]['episodes']} episodes each", "intervals are 95 %"]))
    table = Table(title=Text(title))
    several = len({r["checkpoint"] for r in rows if r["policy"] != "random"}) > 1
    columns = [
        *(["checkpoint"] if several else []),
        "environment",
        "policy",
        "return",
        "of optimum",
        "success",
        "steps",
    ]
    for column in columns:
        table.add_column(column, justify="left" if column in ("checkpoint", "environment", "policy") else "right")
    for r in rows:
        cells = {
            **r,
            "return": f"{r['return']:.4f} [{r['return_low']:.4f}, {r['return_high']:.4f}]",
            "of optimum": "" if r["of_optimum"] is None else f"{r['of_optimum']:.1%}",
            "success": f"{r['success']:.0%} [{r['success_low']:.0%}, {r['success_high']:.0%}]",
            "steps": f"{r['steps']:.1f}",
        }
        table.add_row(*(str(cells[c]) for c in columns))
    console = Console()
    console = console if console.is_terminal else Console(width=120)
    console.print(table)
    console.print(
        f"Written: {out / 'eval.json'}, eval.csv" + (", eval.png" if _has_matplotlib() else ""), soft_wrap=True
    )


def _draw(rows: list[dict[str, Any]], path: Path, of: str) -> None:
    """Discounted returns as bars with their intervals.

    Left out where matplotlib is not installed (the extra `plot`).
    """
    if not _has_matplotlib():
        return
    from matplotlib.figure import Figure

    names = [re.sub("_|(?<=[a-z])(?=[A-Z])", "\n", r["environment"][:60]) for r in rows]
    labels = [f"{name}\n{r['policy']}".replace("$", r"\$") for name, r in zip(names, rows, strict=True)]
    figure = Figure(figsize=(max(4.0, 0.9 * len(rows)), 3.6), layout="constrained")
    axes = figure.subplots()
    low = [r["return"] - r["return_low"] for r in rows]
    high = [r["return_high"] - r["return"] for r in rows]
    colors = [{"greedy": "#4c72b0", "sampled": "#a9bfdd", "random": "#dddddd"}[r["policy"]] for r in rows]
    axes.bar(
        range(len(rows)), [r["return"] for r in rows], yerr=[low, high], color=colors, edgecolor="black", capsize=3
    )
    known = [(i, r["optimum"]) for i, r in enumerate(rows) if r["optimum"] is not None]
    if known:
        at = np.array([i for i, _ in known])
        optima = [optimum for _, optimum in known]
        axes.hlines(optima, at - 0.45, at + 0.45, color="black", linestyles="dashed", label="optimum")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xticks(range(len(rows)), labels, fontsize=8, rotation=0 if len(rows) < 9 else 60)
    axes.set_ylabel("discounted return")
    axes.set_title(brief(of, 60).replace("$", r"\$"), fontsize=8, loc="right")
    if known:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=8)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=150)
    files.write_bytes(path, out.getvalue())


def _has_matplotlib() -> bool:
    return importlib.util.find_spec("matplotlib") is not None
