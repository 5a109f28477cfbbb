"""What the runs of `-m` came to: in one table, and as the number that a sweeper looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 80  # columns where the output has no width of its own

Result = tuple[list[str], Any]
"""A run's own part of the command line, and its summary (None where there is none)."""


def objective(result: Any) -> Any:
    """What a sweeper of Hydra, such as Optuna's, is to make large: the greedy return after training.

    Of anything but a run's summary, the result itself.
    """
    is_summary = isinstance(result, dict) and "eval_after" in result
    return result["eval_after"]["greedy"]["return_mean"] if is_summary else result


def show(results: Sequence[Result]) -> None:
    """Print the table of a sweep; nothing for fewer than two runs that have a summary."""
    if sum(isinstance(summary, dict) for _, summary in results) > 1:
        console = Console(highlight=False)
        console = console if console.is_terminal else Console(highlight=False, width=WIDTH)
        console.print(table(results))


def table(results: Sequence[Result]) -> Table:
    """A row per run: the settings in which they differ, and how it ended."""
    drawn = Table(title=f"{len(results)} runs, after training")
    common = set.intersection(*(set(overrides) for overrides, _ in results))
    for column in ("run", "greedy return", "success", "sampled return", "steps", "seconds"):
        drawn.add_column(column, justify="left" if column == "run" else "right")
    for overrides, summary in results:
        name = " ".join(o for o in overrides if o not in common) or "-"
        drawn.add_row(name, *(_cells(summary) if isinstance(summary, dict) else ()))
    return drawn


def _cells(summary: dict[str, Any]) -> list[str]:
    greedy, sampled = (summary["eval_after"][how] for how in ("greedy", "sampled"))
    return [
        f"{greedy['return_mean']:.4f}",
        f"{greedy['success_rate']:.0%}",
        f"{sampled['return_mean']:.4f}",
        f"{summary['env_steps']:,}",
        f"{summary['wall_seconds']:.0f}",
    ]
