"""What a run leaves behind for people to read: sampled decisions, tracked states, TensorBoard's pictures.

It only watches: what it asks of the policy is already known or is dropped before the next rollout, so a run's numbers
are the same with and without it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.config.schema import TrainSettings
from twosome.errors import brief
from twosome.monitoring import tensorboard
from twosome.monitoring.decision_log import DecisionLog
from twosome.monitoring.tracked_states import TrackedStates
from twosome.protocols import Samples, TrainedPolicy
from twosome.report.record import record
from twosome.types import Rollout

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)

EPISODE_STEPS = 60  # decisions of the greedy episode that TensorBoard shows at the end


class Monitor:
    """`before_update`, `after_update`, and `finish` at the end of the run. `writer`: TensorBoard's, None without it."""

    def __init__(
        self,
        folder: Path,
        cfg: TrainSettings,
        policy: TrainedPolicy,
        writer: SummaryWriter | None,
        resume_step: int = 0,
    ):
        self.cfg, self.policy, self.writer = cfg, policy, writer
        s = cfg.log
        updates = -(-cfg.total_steps // (cfg.num_envs * cfg.rollout_steps))
        path = folder / "decisions.jsonl"
        self.decisions = DecisionLog(path, s.decisions_per_update, s.decisions_max, updates, cfg.seed, resume_step)
        n = s.tracked_states if policy.reads == "text" else 0
        self.tracked = TrackedStates(folder / "tracked_states.json", n, resume_step)

    def before_update(self, rollout: Rollout, update: int) -> None:
        """Choose decisions while the policy that took them is still there. `update`: how many there were before."""
        with _uncounted(self.policy.counts):
            self.decisions.pick(rollout, self.policy, update)
            if self.tracked.n and not self.tracked.decisions:
                self.tracked.choose(rollout, self.policy)

    def after_update(self, step: int, update: int, samples: Samples | None) -> None:
        """The `update`-th is done: write the decisions, record the tracked states now and then."""
        self.decisions.write(step, samples)
        if self.tracked.complete(samples):
            self._show(self.tracked.history[-1]["step"])
        if self.tracked.decisions and update % self.cfg.log.tracked_interval == 0:
            with _uncounted(self.policy.counts):
                self.tracked.record(step, self.policy)
            self._show(step)

    def finish(self, summary: dict[str, Any]) -> None:
        """At the end: a greedy episode in pictures, and the settings beside the final numbers."""
        writer = self.writer
        if writer is None:
            return
        with _never_fatal("the settings"):
            tensorboard.hyperparameters(writer, self.cfg, summary)
        if self.policy.reads != "text":
            return
        with _never_fatal("an episode"), _uncounted(self.policy.counts):
            [episode] = record(self.policy, self.cfg.env, 1, seed=self.cfg.seed, max_steps=EPISODE_STEPS)
            tensorboard.episode(writer, episode, summary["env_steps"])

    def _show(self, step: int) -> None:
        if self.writer is not None:
            with _never_fatal("the tracked states"):
                tensorboard.tracked_states(self.writer, self.tracked, step)


@contextmanager
def _never_fatal(what: str) -> Iterator[None]:
    """A picture that cannot be drawn costs that picture alone: worlds may draw anything, of any size."""
    try:
        yield
    except (Exception, SystemExit) as error:  # the run and its numbers are worth more
        log.warning("TensorBoard does not show %s: %s: %s", what, type(error).__name__, brief(error))


@contextmanager
def _uncounted(counts: Counter[str]) -> Iterator[None]:
    """What is asked inside does not enter the run's counts of computed and cached decisions."""
    before = counts.copy()
    try:
        yield
    finally:
        counts.clear()
        counts.update(before)
