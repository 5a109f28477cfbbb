"""What a run writes while it learns: `metrics.jsonl` and TensorBoard, from one table of keys. Knows nothing of training."""

from __future__ import annotations

import json
import logging
import math
import threading
from pathlib import Path
from typing import Any

from twosome import disk
from twosome.types import CheckpointError

log = logging.getLogger(__name__)

KEYS: dict[str, str] = {
    "return/mean": "discounted return of the episodes that ended in this rollout, as the environment reports it",
    "success/rate": "share of those episodes that reached the goal",
    "length/mean": "their primitive steps",
    "length/decisions": "their decisions",
    "episodes": "episodes that have ended since the start of the run",
    "episodes/failed": "episodes that a fault of the environment ended, since the start",
    "eval/greedy_return": "discounted return of greedy evaluation episodes",
    "eval/greedy_success": "their success rate",
    "eval/sampled_return": "discounted return of sampled evaluation episodes",
    "eval/sampled_success": "their success rate",
    "loss/policy": "clipped surrogate, mean over the samples of an update (to be minimised)",
    "loss/value": "value loss, mean over minibatches",
    "policy/entropy": "entropy of the action distribution in nats, mean over samples",
    "policy/kl": "approximate KL(old | new) in nats, mean over optimiser steps",
    "policy/kl_stop": "1 where the KL guard ended the policy epochs of an update",
    "policy/clip_fraction": "share of samples whose ratio left 1 +- clip",
    "policy/ratio_deviation": "largest |ratio - 1| of an optimiser step, mean over steps",
    "policy/ratio_deviation_first": "the same for the first step of an update, where old and new policy are equal: 0 but for rounding",
    "policy/steps": "optimiser steps of the actor in an update",
    "novelty/bonus": "bonus for scenes seldom met, mean over the steps of a rollout, in units of reward",
    "novelty/scenes": "different scenes met since the start of the run",
    "value/explained_variance": "1 - var(target - value) / var(target) before the update",
    "gradient_norm/actor": "before clipping, mean over steps",
    "gradient_norm/critic": "before clipping, mean over steps",
    "learning_rate/actor": "of this update",
    "learning_rate/critic": "of this update",
    "speed/steps_per_second": "decisions per second of wall time, collecting and learning together",
    "speed/seconds": "wall time of training so far, evaluation and saving included",
    "reuse/decisions": "share of the decisions asked for that were computed by the model, the rest was reused",
    "reuse/features": "share of the critic's prompts that were computed by the model, the rest was reused",
    "memory/peak_gib": "peak accelerator memory so far in GiB (0 on the CPU)",
    "numerics/bad_updates": "optimiser steps skipped for a NaN or infinity since the start",
}


class Metrics:
    """Append records to `run_dir/metrics.jsonl` and TensorBoard. A key that is not in `KEYS` is a bug.

    Raises `CheckpointError` when they cannot be written.
    """

    def __init__(self, run_dir: Path, tensorboard: bool, resume_step: int = 0):
        self.path = run_dir / "metrics.jsonl"
        self.writer: Any = None
        try:
            cut_after(self.path, resume_step)
            self.file = self.path.open("a", encoding="utf-8")
            if tensorboard:
                from torch.utils.tensorboard import SummaryWriter

                threading.excepthook = _unless_written_later
                events = run_dir / "tensorboard"
                self.writer = SummaryWriter(str(events), purge_step=resume_step + 1 if events.exists() else None)
        except OSError as error:
            raise error if isinstance(error, CheckpointError) else disk.cannot_write(self.path, error) from error

    def log(self, step: int, values: dict[str, float]) -> None:
        """One record at an environment step; numbers that are not finite are written as null."""
        assert values.keys() <= KEYS.keys(), values.keys() - KEYS.keys()
        record = {k: (v if math.isfinite(v) else None) for k, v in values.items()}
        try:
            self.file.write(json.dumps({"step": step, **record}) + "\n")
            self.file.flush()
            if self.writer is not None:
                for key, value in values.items():
                    if math.isfinite(value):
                        self.writer.add_scalar(key, value, step)
        except OSError as error:
            raise disk.cannot_write(self.path, error) from error

    def close(self) -> None:
        """Write what is still in memory. What cannot be written is lost: the checkpoints hold what a run needs."""
        for part in (self.file, self.writer):
            if part is not None:
                try:
                    part.close()
                except OSError as error:
                    log.warning("The last metrics are lost: %s", error)


def _unless_written_later(args: threading.ExceptHookArgs) -> None:
    """TensorBoard writes in a thread of its own and hands a full disk on to the next call: no traceback of that thread."""
    if not (isinstance(args.exc_value, OSError) and type(args.thread).__name__ == "_AsyncWriterThread"):
        threading.__excepthook__(args)


def read(path: Path) -> list[dict[str, float]]:
    """The records of a `metrics.jsonl`; a last line that was cut off by a kill is left out."""
    records = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def cut_after(path: Path, step: int) -> None:
    """Drop the records after the checkpoint that a run continues from: they will be written again."""
    if path.exists():
        kept = [r for r in read(path) if r["step"] <= step]
        disk.write_text(path, "".join(json.dumps(r) + "\n" for r in kept))
