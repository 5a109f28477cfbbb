"""The measurements as tables: markdown for a README, rich for a terminal. Both show the same cells."""

from __future__ import annotations

from typing import Any, NamedTuple

from twosome.bench.measure import Row


class Table(NamedTuple):
    """A title, column names and rows of text."""

    title: str
    columns: list[str]
    rows: list[list[str]]


def tables(result: dict[str, Any]) -> list[Table]:
    """Every table that the measurements give."""
    found = []
    for model in result["models"]:
        rows = model["rows"]
        found += [t for make in (_passes, _updates, _counts) if (t := make(model["description"], rows)).rows]
        if any(r.get("peak_total") for r in rows):
            found.append(_accelerator(model))
    if result["environments"]:
        found.append(_environments(result["environments"]))
    return found


def _passes(model: str, rows: list[Row]) -> Table:
    """Per pass: one line per environment and scheme, acting and training side by side."""
    columns = [
        "environment",
        "scheme",
        "tokens per decision, acting / training",
        "GFLOPs per decision",
        "acting, decisions/s",
        "+ value, decisions/s",
        "training, samples/s",
        "peak MB beyond weights, acting / training",
        "x tokens",
        "x acting",
        "x acting + value",
        "x training",
    ]
    lines = []
    for score in (r for r in rows if r["mode"] == "score"):
        act, train = (_find(rows, score, mode) for mode in ("act", "train"))
        per = score["decisions"]
        cells = [
            score["environment"],
            score["label"],
            f"{score['tokens'] / per:,.0f} / {train['tokens'] / per:,.0f}",
            f"{_giga(score, per)} / {_giga(train, per)}",
            _number(score["per_second"]),
            _number(act["per_second"]),
            _number(train["per_second"], train),
            f"{_mega(score)} / {_mega(train)}",
            f"{_ratio(score, 'tokens')} / {_ratio(train, 'tokens')}",
            _ratios(score),
            _ratios(act),
            _ratios(train),
        ]
        lines.append(cells)
    return Table(f"One pass without reuse. {model}", columns, lines)


def _updates(model: str, rows: list[Row]) -> Table:
    """Whole updates: one line per environment and scheme."""
    columns = [
        "environment",
        "scheme",
        "tokens per update",
        "TFLOPs, first update",
        "acting, decisions/s",
        "learning, samples/s",
        "seconds per update",
        "x tokens",
        "x wall",
        "x wall in all",
        "x processor time in all",
    ]
    lines = []
    for r in (r for r in rows if r["mode"] == "update"):
        n, ratios = r["decisions"] * r["updates"], r["times_less_than_published"]
        cells = [
            r["environment"],
            r["label"],
            f"{r['tokens']:,.0f}",
            f"{r['flops'] / 1e12:.3f}" if r["flops"] else "-",
            _number(n / sum(r["acting_seconds"])),
            _number(n / sum(r["learning_seconds"])),
            f"{sum(r['seconds']) / r['updates']:.2f}",
            _ratio(r, "tokens"),
            _ratios(r),
            f"{ratios['seconds']['of_sums']:.1f}",
            f"{ratios['cpu_seconds']['of_sums']:.1f}",
        ]
        lines.append(cells)
    return Table(f"Whole updates from cold caches. {model}", columns, lines)


def _counts(model: str, rows: list[Row]) -> Table:
    columns = ["environment", "scheme", "updates", "tokens per update", "x tokens"]
    lines = [
        [r["environment"], r["label"], str(r["updates"]), f"{r['tokens']:,.0f}", _ratio(r, "tokens")]
        for r in rows
        if r["mode"] == "count"
    ]
    return Table(f"Tokens forwarded over many updates. {model}", columns, lines)


def _accelerator(model: Row) -> Table:
    """Every pass on an accelerator: how much of its speed it used, its peak with the weights beside the plan's."""
    planned = f"{model['plan']['bytes'] / 2**30:.1f} GiB" if model["plan"] else "none"
    limit = f", limit {model['memory_gib']:g} GiB" if model["memory_gib"] else ""
    lines = []
    for r in (r for r in model["rows"] if r.get("peak_total") or r.get("failed")):
        used = f"{r['utilisation']:.1%}" if r.get("utilisation") else r.get("failed", "-")[:40]
        peak = f"{r['peak_total'] / 2**30:.2f}" if r.get("peak_total") else "-"
        lines.append([r["environment"], f"{r['mode']}: {r['label']}", used, peak, str(r.get("token_budget") or "-")])
    columns = ["environment", "pass", "FLOPs utilisation", "peak GiB with weights", "token budget"]
    return Table(f"Accelerator, memory planned for training {planned}{limit}. {model['description']}", columns, lines)


def _environments(rows: list[Row]) -> Table:
    title = (
        "Environments alone, one core, random legal actions, text included (played: through gymnasium.make; "
        "bare: unwrapped; uncached: caches cleared before every step)"
    )
    columns = ["environment", "how", "actions/s of processor time", "range", "primitive steps per action"]
    lines = []
    for r in rows:
        speed = r["per_second"]
        low_high = f"{speed['min']:,.0f}-{speed['max']:,.0f}"
        steps = f"{r['primitive_steps_per_action']:.2f}"
        lines.append([r["environment"], r["mode"], f"{speed['median']:,.0f}", low_high, steps])
    return Table(title, columns, lines)


def markdown(table: Table) -> str:
    """GitHub's markdown: words to the left, numbers to the right."""
    lines = [f"**{table.title}**", "", "| " + " | ".join(table.columns) + " |"]
    lines.append("|" + "|".join("---" if i < 2 else "---:" for i in range(len(table.columns))) + "|")
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in table.rows)])


def show(table: Table) -> None:
    """Print it for a person."""
    from rich.console import Console
    from rich.table import Table as RichTable

    console = Console()
    drawn = RichTable(title=table.title)
    for i, column in enumerate(table.columns):
        drawn.add_column(column, justify="left" if i < 2 else "right", no_wrap=False)
    for row in table.rows:
        drawn.add_row(*row)
    console.print(drawn)


def _find(rows: list[Row], like: Row, mode: str) -> Row:
    """The row of the same environment and scheme in another mode."""
    wanted = (mode, like["environment"], like["scheme"])
    return next(r for r in rows if (r["mode"], r["environment"], r["scheme"]) == wanted)


def _number(value: float | None, row: Row | None = None) -> str:
    if value is None:
        return "out of memory" if row is not None and row.get("failed") else "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _giga(row: Row, per: int) -> str:
    return f"{row['flops'] / per / 1e9:.3g}" if row["flops"] else "-"


def _mega(row: Row) -> str:
    return f"{row['peak_memory'] / 1e6:,.0f}" if row["peak_memory"] else "-"


def _ratio(row: Row, name: str) -> str:
    value = row["times_less_than_published"].get(name)
    return f"{value:.1f}" if value else "-"


def _ratios(row: Row) -> str:
    """Median (least to most) of the ratios of the rounds."""
    s = row["times_less_than_published"].get("seconds")
    return f"{s['median']:.1f} ({s['min']:.1f}-{s['max']:.1f})" if s else "-"
