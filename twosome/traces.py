"""What a run leaves behind for people to read: sampled decisions, probe states, TensorBoard's pictures.

It only looks: what it asks of the policy is already known or is forgotten before the next rollout, so a run's
numbers are the same with and without it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twosome.decisions import DecisionLog
from twosome.probes import Probes
from twosome.types import Rollout, TwosomeError

if TYPE_CHECKING:
    from twosome.metrics import Metrics

log = logging.getLogger(__name__)

EPISODE_STEPS = 60  # decisions of the greedy episode that TensorBoard shows at the end


class Traces:
    """`pick` before an update, `write` after it, `finish` at the end of the run."""

    def __init__(self, run: Any, policy: Any, metrics: Metrics, resume_step: int = 0):
        self.cfg, self.policy, self.writer = run.cfg, policy, metrics.writer
        cfg, s = run.cfg, run.cfg.log
        updates = -(-cfg.total_steps // (cfg.num_envs * cfg.rollout_steps))
        path = run.folder / "decisions.jsonl"
        self.decisions = DecisionLog(path, s.decisions_per_update, s.decisions_max, updates, cfg.seed, resume_step)
        n = s.probe_states if policy.view == "text" else 0
        self.probes = Probes(run.folder / "probes.json", n, resume_step)

    def pick(self, rollout: Rollout, update: int) -> None:
        """Before the update: choose decisions while the policy that took them is still there."""
        with _uncounted(self.policy):
            self.decisions.pick(rollout, self.policy, update)
            if self.probes.n and not self.probes.decisions:
                self.probes.choose(rollout, self.policy)

    def write(self, step: int, update: int, batch: Any) -> None:
        """After the update, the `update`-th: write the decisions, look at the probe states now and then."""
        self.decisions.write(step, batch)
        if self.probes.complete(batch):
            self._show(0)
        if self.probes.decisions and update % self.cfg.log.probe_interval == 0:
            with _uncounted(self.policy):
                self.probes.look(step, self.policy)
            self._show(step)

    def finish(self, summary: dict[str, Any]) -> None:
        """At the end: a greedy episode in pictures, and the settings beside the final numbers."""
        if self.writer is None:
            return
        from twosome import boards
        from twosome.report import record

        boards.hyperparameters(self.writer, self.cfg, summary)
        if self.policy.view != "text":
            return
        env, template = self.cfg.env, self.cfg.policy.prompt
        try:
            with _uncounted(self.policy):
                [episode] = record(self.policy, env, template, 1, seed=self.cfg.seed, max_steps=EPISODE_STEPS)
        except TwosomeError as error:
            log.warning("TensorBoard shows no episode: %s", error)
            return
        boards.episode(self.writer, episode, summary["env_steps"])

    def _show(self, step: int) -> None:
        if self.writer is not None:
            from twosome import boards

            boards.probes(self.writer, self.probes, step)


@contextmanager
def _uncounted(policy: Any) -> Iterator[None]:
    """Looking does not enter the run's counts of computed and reused decisions."""
    before = policy.counts.copy()
    yield
    policy.counts.clear()
    policy.counts.update(before)
