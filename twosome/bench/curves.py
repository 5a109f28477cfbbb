"""What the learning bench found, as tables and learning curves.

Means over seeds are interquartile means with bootstrap intervals. Knows nothing of runs or files: it is handed, for
every environment and method, what `learning.json` holds of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

import numpy as np

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

Curve: TypeAlias = list[tuple[int, float]]  # (step, greedy return)


class MethodResult(TypedDict):
    """What `learning.json` holds of one method in one environment. Every list has an entry for every finished seed.

    `steps`: in all; `steps_to`, `seconds_to`: by share of the optimum, None for a seed that did not come there.
    """

    optimum: float | None
    commits: list[str | None]
    curves: list[Curve]
    final_greedy: list[float]
    final_sampled: list[float]
    steps: list[int]
    steps_to: dict[str, list[int | None]]
    seconds_to: dict[str, list[float | None]]


Results: TypeAlias = dict[str, dict[str, MethodResult]]
"""Environment -> method -> what was found."""

LOOKS: tuple[dict[str, Any], ...] = (  # of the methods in order: told apart by line and mark too
    {"color": "#0072b2", "ls": "-"},
    {"color": "#d55e00", "ls": (0, (5, 2)), "marker": "s"},
    {"color": "#009e73", "ls": "-.", "marker": "^"},
    {"color": "#cc79a7", "ls": (0, (3, 1, 1, 1, 1, 1)), "marker": "D"},
    {"color": "#8c6d00", "ls": (0, (1, 1)), "marker": "v"},
    {"color": "#56b4e9", "ls": (0, (7, 3)), "marker": "x"},
    {"color": "#555555", "ls": (0, (1, 2))},
    {"color": "#e69f00", "ls": (0, (4, 3))},
    {"color": "#999999", "ls": (0, (2, 4))},
)
UNTRAINED = ("frozen", "saycan", "random")  # methods that do not learn


def interquartile_mean(values: Sequence[float] | np.ndarray) -> float:
    """Mean of the middle half, with fractional weights at its ends.

    >>> interquartile_mean([0.0, 1.0, 2.0, 100.0])
    1.5
    """
    x = np.sort(np.asarray(values, float))
    n = len(x)
    upper = np.minimum(np.arange(1, n + 1), 0.75 * n)
    lower = np.maximum(np.arange(n), 0.25 * n)
    weights = np.clip(upper - lower, 0, None)
    return float((x * weights).sum() / weights.sum())


def iqm_interval(values: Sequence[float] | np.ndarray, resamples: int = 2000, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap of the interquartile mean."""
    x = np.asarray(values, float)
    picks = np.random.default_rng(seed).integers(0, len(x), (resamples, len(x)))
    low, high = np.quantile([interquartile_mean(x[p]) for p in picks], [0.025, 0.975])
    return float(low), float(high)


def overview(results: Results) -> str:
    """Methods x environments: median steps and seconds to 99 % of the optimum, and how many of the seeds came there.

    Below, for the methods that do not learn, their sampled returns.
    """
    methods = list(dict.fromkeys(m for found in results.values() for m in found))
    learning = [m for m in methods if m not in UNTRAINED]
    untrained = [m for m in methods if m in UNTRAINED]
    steps = "steps and seconds to 99 % of the optimum, greedy: medians (seeds that came there)"
    returns = "sampled return of what does not learn, interquartile mean"
    lines = []
    for title, wanted, cell in ((steps, learning, _steps_cell), (returns, untrained, _return_cell)):
        if wanted:
            lines.append(f"| {title} | {' | '.join(env.replace('_', ' ') for env in results)} |")
            lines.append("|---|" + "---|" * len(results))
            for m in wanted:
                cells = [cell(found[m]) if m in found else "" for found in results.values()]
                lines.append(f"| {m} | {' | '.join(cells)} |")
            lines.append("")
    return "\n".join(lines)


def _steps_cell(r: MethodResult) -> str:
    steps = r["steps_to"]["0.99"]
    if not steps:
        return "not run"
    seconds = _median(r["seconds_to"]["0.99"], None)
    in_time = "" if seconds in ("", "-") else f", {seconds} s"
    return f"{_median(steps, r['steps'])}{in_time} ({sum(s is not None for s in steps)} of {len(steps)})"


def _return_cell(r: MethodResult) -> str:
    return f"{interquartile_mean(r['final_sampled']):.3f}" if r["final_sampled"] else "not run"


def markdown(results: Results, seeds: int) -> str:
    """Every figure of all environments and methods. `seeds`: how many were asked for."""
    lines = [
        "| environment | method | seeds at 99 % | steps to 95 % | steps to 99 %, median (min to max) | seconds | "
        "greedy return at the end, IQM | sampled, IQM |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for env, methods in results.items():
        lines += [f"| {env} | {method} | {_cells(method, r, seeds)} |" for method, r in methods.items()]
    known = {env: next((r["optimum"] for r in m.values() if r["optimum"]), None) for env, m in results.items()}
    optima = "; ".join(f"{env} {optimum:.4f}" for env, optimum in known.items() if optimum)
    return "\n".join([*lines, "", f"Optima: {optima}."]) + "\n"


def _cells(method: str, r: MethodResult, seeds: int) -> str:
    """The columns of one method after its name."""
    n = len(r["final_greedy"])
    if not n:
        return "not run | | | | |"
    returns = f"{_with_interval(r['final_greedy'])} | {_with_interval(r['final_sampled'])}"
    if method in UNTRAINED:
        return f"does not learn | | | | {returns}"
    steps = r["steps_to"]["0.99"]
    missing = f" ({seeds - n} not run)" if n < seeds else ""
    cells = [
        f"{sum(s is not None for s in steps)} of {n}{missing}",
        _median(r["steps_to"]["0.95"], r["steps"]),
        _median(steps, r["steps"], with_range=True),
        _median(r["seconds_to"]["0.99"], None),
        returns,
    ]
    return " | ".join(cells)


def _median(values: Sequence[float | None], taken: list[int] | None, with_range: bool = False) -> str:
    """Median over seeds, where one that did not get there counts as more than any other.

    It is shown as more than the steps `taken`.
    """
    beyond = "-"
    if taken is not None:
        beyond = f"> {min((n for v, n in zip(values, taken, strict=True) if v is None), default=0):,}"
    ordered = sorted(float("inf") if v is None else v for v in values)
    if not ordered:
        return ""
    shown = (ordered[len(ordered) // 2], ordered[0], ordered[-1])
    middle, low, high = (f"{x:,.0f}" if np.isfinite(x) else beyond for x in shown)
    return f"{middle} ({low} to {high})" if with_range and low != high else middle


def _with_interval(values: list[float]) -> str:
    low, high = iqm_interval(values)
    return f"{interquartile_mean(values):.4f} [{low:.4f}, {high:.4f}]"


def draw(results: Results, path: Path) -> None:
    """Learning curves, one panel per environment: interquartile mean of the greedy return, band = bootstrap interval.

    A curve ends in a dot where all its runs had come to their goal or used up their steps. Dotted: what does not learn,
    sampled.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print('No picture: `pip install "twosome[plot]"` draws one.')
        return
    columns = min(2, len(results))
    rows = -(-len(results) // columns)
    figure = Figure(figsize=(6.2 * columns, 3.7 * rows + 0.5), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns, sharex=True)).ravel()
    methods = list(dict.fromkeys(m for found in results.values() for m in found))
    handles: dict[str, Artist] = {}
    for panel, (env, found) in zip(panels, results.items(), strict=False):
        for method, r in found.items():
            look = LOOKS[methods.index(method) % len(LOOKS)]
            if any(r["curves"]):
                handles[method] = _draw_curve(panel, r, look, leads=method == methods[0])
            elif r["final_sampled"]:
                level = interquartile_mean(r["final_sampled"])
                handles[method] = panel.axhline(level, color=look["color"], ls=look["ls"], lw=1.2)
        optimum = next((r["optimum"] for r in found.values() if r["optimum"]), None)
        if optimum:
            handles["optimum"] = panel.axhline(optimum, color="black", ls="--", lw=1)
        _label(panel, env)
    for panel in panels[len(results) :]:
        panel.set_axis_off()
    order = [name for name in (*methods, "optimum") if name in handles]
    if order:
        names = [name.replace("_", " ") for name in order]
        figure.legend(
            [handles[n] for n in order], names, loc="outside lower center", ncols=min(6, len(order)), fontsize=9
        )
    figure.savefig(str(path), dpi=130)


def _label(panel: Axes, env: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.tick_params(axis="x", labelbottom=True)
    panel.set_title(env.replace("_", " "))
    panel.set_xlabel("environment steps (decisions)")
    panel.set_ylabel("greedy discounted return")


def _draw_curve(panel: Axes, result: MethodResult, look: dict[str, Any], leads: bool) -> Line2D:
    """Interquartile mean and its interval over the seeds. Returns the line."""
    grid, columns = carried([curve for curve in result["curves"] if curve])
    bands = np.array([iqm_interval(c, resamples=300) for c in columns])
    means = [interquartile_mean(c) for c in columns]
    color = look["color"]
    [line] = panel.plot(grid, means, **look, lw=2.5 if leads else 1.5, ms=4.5, markevery=0.12, zorder=3 if leads else 2)
    panel.plot(grid[-1], means[-1], "o", color=color, ms=7 if leads else 5, zorder=4 if leads else 2)
    panel.fill_between(grid, bands[:, 0], bands[:, 1], color=color, alpha=0.2 if leads else 0.05, linewidth=0)
    return line


def carried(curves: list[Curve]) -> tuple[list[int], np.ndarray]:
    """Curves of (step, return) on one grid of steps: [G], [G, seeds].

    A run that stopped at its goal keeps its last return.

    >>> carried([[(1, 0.0), (2, 0.9)], [(1, 0.0), (2, 0.3), (3, 0.8)]])[1].tolist()
    [[0.0, 0.0], [0.9, 0.3], [0.9, 0.8]]
    """
    grid = sorted({step for curve in curves for step, _ in curve})
    values = []
    for curve in curves:
        steps = [s for s, _ in curve]
        values.append([curve[max(0, int(np.searchsorted(steps, g, side="right")) - 1)][1] for g in grid])
    return grid, np.array(values).T
