"""`metrics.jsonl` and TensorBoard's curves, from one table of keys. Knows nothing of training."""

from __future__ import annotations

import json
import logging
import math
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from twosome import files
from twosome.agents import branches, planner, recall_tally
from twosome.errors import CheckpointError
from twosome.memory import learner
from twosome.rl import expected, expert_iteration, ppo, preference, q_head
from twosome.systems import rewarded
from twosome.training import progress

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from twosome.monitoring.wandb_log import WandbLog

log = logging.getLogger(__name__)

KEYS: dict[str, str] = {
    **progress.METRICS,
    **learner.METRICS,
    **recall_tally.METRICS,
    **expert_iteration.METRICS,
    **expected.METRICS,
    **q_head.METRICS,
    **planner.METRICS,
    **branches.METRICS,
    **preference.METRICS,
    **rewarded.METRICS,
    **ppo.METRICS,
}
"""Every key that a run may log, and what it means; each module declares its own."""
TALLIED = progress.TALLIED
"""How the keys begin of what the environment itself counts, whose names are its own."""


class Metrics:
    """Append records to `run_dir/metrics.jsonl` and TensorBoard. A key that is not in `KEYS` is a bug.

    Raises `CheckpointError` when they cannot be written.
    """

    def __init__(self, run_dir: Path, tensorboard: bool, resume_step: int = 0, wandb: WandbLog | None = None):
        self.path = run_dir / "metrics.jsonl"
        self.writer: SummaryWriter | None = None
        self.wandb = wandb
        try:
            files.cut_lines(self.path, resume_step)
            self.file = files.open_to_append(self.path)
            if tensorboard:
                from torch.utils.tensorboard import SummaryWriter

                threading.excepthook = _unless_written_later
                events = run_dir / "tensorboard"
                self.writer = SummaryWriter(str(events), purge_step=resume_step + 1 if events.exists() else None)
        except OSError as error:
            raise error if isinstance(error, CheckpointError) else files.cannot_write(self.path, error) from error

    def log(self, step: int, values: dict[str, float]) -> None:
        """One record at an environment step; numbers that are not finite are written as null."""
        unknown = {key for key in values.keys() - KEYS.keys() if not key.startswith(TALLIED)}
        assert not unknown, unknown
        record = {k: (v if math.isfinite(v) else None) for k, v in values.items()}
        try:
            self.file.write(json.dumps({"step": step, **record}) + "\n")
            self.file.flush()
            if self.writer is not None:
                for key, value in values.items():
                    if math.isfinite(value):
                        self.writer.add_scalar(key, value, step)
        except OSError as error:
            raise files.cannot_write(self.path, error) from error
        if self.wandb is not None:
            self.wandb.log(step, {key: value for key, value in values.items() if math.isfinite(value)})

    def close(self) -> None:
        """Write what is still in memory. What cannot be written is lost: the checkpoints hold what a run needs."""
        for part in (self.file, self.writer, self.wandb):
            if part is not None:
                try:
                    part.close()
                except OSError as error:
                    log.warning("The last metrics are lost: %s", error)


def _unless_written_later(args: threading.ExceptHookArgs) -> None:
    """TensorBoard writes in its own thread and hands a full disk on to the next call: no traceback of that thread."""
    if not (isinstance(args.exc_value, OSError) and type(args.thread).__name__ == "_AsyncWriterThread"):
        threading.__excepthook__(args)
