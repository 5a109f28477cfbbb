"""What a person sees while a run goes on: one line before, a progress line, the result and where it lies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from twosome.training.progress import Progress as RunProgress
    from twosome.training.run_folder import Run

QUIET_SECONDS = 10.0  # between lines where the output is not a terminal


class Console:
    """Prints to stdout; in a terminal with a live progress bar, in a log file with a line now and then."""

    def __init__(self, run: Run):
        self.run, self.cfg, self.out = run, run.cfg, RichConsole(highlight=False, soft_wrap=True)
        if not self.out.is_terminal:
            self.out = RichConsole(highlight=False, soft_wrap=True, width=110)
        self._bar: Progress | None = None
        self._said = 0.0

    def begin(self, progress: RunProgress, *, is_resumed: bool) -> None:
        """What is trained and where it stands."""
        cfg = self.cfg
        if is_resumed:
            self.out.print(f"Continuing {self.run.folder} at step {progress.steps:,} of {cfg.total_steps:,}.")
            return
        name = cfg.env.id.split("/")[-1]
        self.out.print(
            f"[bold]{name}[/] with model [bold]{cfg.model.name}[/], seed {cfg.seed}; run folder {self.run.folder}"
        )
        self.out.print(f"Before training: {self._evaluation(progress.eval_before or {})}")

    @contextmanager
    def progress(self, progress: RunProgress) -> Iterator[None]:
        """A live bar, where the output is a terminal."""
        if not self.out.is_terminal:
            yield
            return
        columns = (
            TextColumn("{task.completed:,.0f} steps"),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.out) as self._bar:
            self._task = self._bar.add_task("", total=self.cfg.total_steps, completed=progress.steps)
            yield
        self._bar = None

    def update(self, progress: RunProgress) -> None:
        """One update more: in a terminal the bar moves, elsewhere a line now and then."""
        recent, record = progress.recent, progress.record
        parts = []
        if recent:
            parts.append(f"return {sum(e.discounted_return for e in recent) / len(recent):.3f}")
            parts.append(f"success {sum(e.success for e in recent) / len(recent):.0%}")
        if progress.last_evaluation:
            parts.append(f"greedy {progress.last_evaluation['greedy']['return_mean']:.4f}")
        if "policy/entropy" in record:  # not while the actor warms up
            parts.append(f"entropy {record['policy/entropy']:.2f}")
        parts.append(f"{record['speed/steps_per_second']:.0f} steps/s")
        line = "  ".join(parts)
        if self._bar is not None:
            self._bar.update(self._task, completed=progress.steps, description=line)
        elif time.monotonic() - self._said > QUIET_SECONDS:
            self._said = time.monotonic()
            self.out.print(f"{progress.steps:>8,} steps  {line}")

    def after(self, summary: dict[str, Any]) -> None:
        """The result, and where it lies."""
        table = Table(title=f"{summary['env_id']}, {summary['env_steps']:,} steps in {summary['wall_seconds']:.0f} s")
        for column in ("", "greedy return", "greedy success", "sampled return", "sampled success"):
            table.add_column(column, justify="right" if column else "left")
        for name, key in (("before training", "eval_before"), ("after training", "eval_after")):
            e = summary[key]
            cells = [(f"{e[k]['return_mean']:.4f}", f"{e[k]['success_rate']:.0%}") for k in ("greedy", "sampled")]
            table.add_row(name, *(text for pair in cells for text in pair))
        if summary["optimum"] is not None:
            table.add_row("optimum", f"{summary['optimum']:.4f}")
        self.out.print(table)
        self.out.print(f"Run folder: {self.run.folder}")
        self.out.print(f"Curves:     tensorboard --logdir {self.run.folder}")

    def _evaluation(self, evaluation: dict[str, Any]) -> str:
        return ", ".join(
            f"{name} return {e['return_mean']:.4f} (success {e['success_rate']:.0%})" for name, e in evaluation.items()
        )
