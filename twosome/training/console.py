"""What a person sees while a run goes on: what is trained, a progress line, the result and where it lies.

Knows no model, and starts without torch: its first line comes before anything heavy is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from twosome.config.agent import world_title
from twosome.terminal import Console as PlainConsole
from twosome.training.progress import goal_of

if TYPE_CHECKING:
    from twosome.config.schema import TrainSettings
    from twosome.training.progress import Progress as RunProgress

QUIET_SECONDS = 10.0  # between lines where the output is not a terminal
WIDTH = 80  # columns of a line where the output has no width of its own
BAR = 12  # columns of the bar in a terminal


class Console:
    """Prints to stdout; in a terminal with a live progress bar, in a log file with a line now and then."""

    def __init__(self, cfg: TrainSettings):
        self.cfg, self.out = cfg, PlainConsole(soft_wrap=True)
        if not self.out.is_terminal:
            self.out = PlainConsole(soft_wrap=True, width=WIDTH)
        self._place = Path.cwd()  # of the person; a world may go elsewhere
        self._bar: Progress | None = None
        self._said = 0.0

    def opening(self) -> None:
        """What is trained: printed before the model is loaded, which takes its time."""
        cfg = self.cfg
        parts: list[Any] = [(world_title(cfg.env), "bold"), " with method ", (cfg.method, "bold")]
        parts += [] if cfg.method in ("mlp", "tabular") else [" and model ", (cfg.model.name, "bold")]
        self.out.print(Text.assemble(*parts, f", seed {cfg.seed}; loading ..."))

    def begin(self, folder: Path, progress: RunProgress, *, is_resumed: bool) -> None:
        """Where the run lies and stands, and how long it goes on."""
        cfg = self.cfg
        if is_resumed:
            self.out.print(f"Continuing {self._shown(folder)} at step {progress.steps:,} of {cfg.total_steps:,}.")
            return
        self.out.print(f"Run folder: {self._shown(folder)}")
        if goal_of(cfg) is not None and cfg.log.stop_at is not None and cfg.log.eval_interval:
            share = f"{100 * cfg.log.stop_at:g} % of the optimum {cfg.env.optimum:.4f}"
            goal = f"{cfg.total_steps:,} steps at most; ends at {share} (log.stop_at=null: all steps)"
        else:
            of_update = cfg.num_envs * cfg.rollout_steps
            steps = -(-cfg.total_steps // of_update) * of_update
            goal = f"{steps:,} steps" + (f" (whole updates of {of_update:,})" if steps != cfg.total_steps else "")
        self.out.print(f"{goal}.")
        self.out.print(f"Before training: {self._evaluation(progress.eval_before or {})}")

    @contextmanager
    def progress(self, progress: RunProgress) -> Iterator[None]:
        """A live bar, where the output is a terminal."""
        if not self.out.is_terminal:
            yield
            return
        columns = (BarColumn(bar_width=BAR), TextColumn("{task.description}", markup=False))
        with Progress(*columns, console=self.out) as self._bar:
            self._task = self._bar.add_task(
                progress_line(progress, self._room()), total=self.cfg.total_steps, completed=progress.steps
            )
            yield
        self._bar = None

    def update(self, progress: RunProgress) -> None:
        """One update more: in a terminal the bar moves, elsewhere a line now and then."""
        if self._bar is not None:
            line = progress_line(progress, self._room())
            self._bar.update(self._task, completed=progress.steps, description=line)
        elif time.monotonic() - self._said > QUIET_SECONDS:
            self._said = time.monotonic()
            self.out.print(progress_line(progress, WIDTH))

    def after(self, folder: Path, summary: dict[str, Any]) -> None:
        """The result, and where it lies."""
        table = Table(
            title=f"{world_title(self.cfg.env)}, {summary['env_steps']:,} steps in {summary['wall_seconds']:.0f} s"
        )
        for column in ("", "greedy return", "success", "sampled return", "success"):
            table.add_column(column, justify="right" if column else "left")
        for name, key in (("before training", "eval_before"), ("after training", "eval_after")):
            e = summary[key]
            cells = [(f"{e[k]['return_mean']:.4f}", f"{e[k]['success_rate']:.0%}") for k in ("greedy", "sampled")]
            table.add_row(name, *(text for pair in cells for text in pair))
        if summary["optimum"] is not None:
            table.add_row("optimum", f"{summary['optimum']:.4f}")
        self.out.print(table)
        self.out.print(f"Run folder: {self._shown(folder)}")
        if self.cfg.log.tensorboard:
            self.out.print(f"Curves:     tensorboard --logdir {self._shown(folder)}")

    def _shown(self, folder: Path) -> Path:
        """A folder as it is named from where the person is."""
        return folder.relative_to(self._place) if folder.is_relative_to(self._place) else folder

    def _room(self) -> int:
        """Columns beside the bar."""
        return self.out.width - BAR - 1

    def _evaluation(self, evaluation: dict[str, Any]) -> str:
        return ", ".join(
            f"{name} return {e['return_mean']:.4f} (success {e['success_rate']:.0%})" for name, e in evaluation.items()
        )


def progress_line(progress: RunProgress, width: int) -> str:
    """Steps, their total and the time left, then as much of the rest as fits in `width` columns."""
    total = progress.cfg.total_steps
    head = f"{progress.steps:>{len(f'{total:,}')},} of {total:,}"
    if progress.seconds_left is not None:
        left = _clock(progress.seconds_left)
        head += f"  {left} left" if goal_of(progress.cfg) is None else f"  at most {left} left"
    return fitted(head, _details(progress), width)


def fitted(head: str, parts: Iterable[str], width: int) -> str:
    """`head` and after it the parts that still fit, in their order.

    >>> fitted("1 of 9", ["return 0.5", "a part that is too long", "7/s"], 24)
    '1 of 9  return 0.5  7/s'
    """
    for part in parts:
        if len(head) + 2 + len(part) <= width:
            head += f"  {part}"
    return head[: max(width, 0)]


def _details(progress: RunProgress) -> Iterator[str]:
    """What is known of the run, the most telling first. Means are over a full window of episodes."""
    recent, record, window = progress.recent, progress.record, progress.recent.maxlen or 0
    is_full = len(recent) == window
    if is_full:
        yield f"return {sum(e.discounted_return for e in recent) / window:.3f}"
    if progress.last_evaluation:
        yield f"greedy {progress.last_evaluation['greedy']['return_mean']:.3f}"
    if not is_full:
        yield f"{len(recent)} of the first {window} episodes"
    if progress.warms_up:
        yield "actor warming up"
    if is_full:
        yield f"success {sum(e.success for e in recent) / window:.0%}"
    if "speed/steps_per_second" in record:
        yield f"{record['speed/steps_per_second']:.0f} steps/s"
    if "policy/entropy" in record:
        yield f"entropy {record['policy/entropy']:.2f}"


def _clock(seconds: float) -> str:
    """`0:07`, `12:30`, `3:05:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
