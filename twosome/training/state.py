"""Everything that a run is made of: built from settings, brought back from a checkpoint, evaluated, saved."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from twosome import checkpoint_folder
from twosome.agents.branches import Branches
from twosome.agents.planner import Planner
from twosome.protocols import Saved
from twosome.rollout.collect import Worlds
from twosome.rollout.driver import Tolerance
from twosome.rollout.evaluate import evaluate
from twosome.rollout.workers import Workers
from twosome.systems.build import build
from twosome.systems.checkpoints import initial_checkpoint
from twosome.systems.remembered import initial_memory
from twosome.training import checkpoint
from twosome.training.checkpoint import RandomStates
from twosome.training.progress import Progress
from twosome.training.run_folder import Run

if TYPE_CHECKING:
    from twosome.training.ranks import Ranks


class TrainingState:
    """What a run is made of.

    `policy`, `learner`, `deliberation` (None where the policy itself chooses), `planner` (the deliberation, where it
    simulates), `remembering` (None without a memory), `workers` (the processes of the worlds, if they have any),
    `worlds`, `progress` and `generators` (`act` draws actions, `learn` orders minibatches). A run that has a checkpoint
    goes on from it; a new one begins with the weights of `init`, if that is given. `ranks`: other processes that share
    the model's work.
    """

    def __init__(self, run: Run, ranks: Ranks | None = None):
        self.run, self.cfg = run, run.cfg
        cfg, names = run.cfg, ("act", "learn")
        self.generators = {name: torch.Generator().manual_seed(cfg.seed + i) for i, name in enumerate(names)}
        if ranks is not None:
            ranks.begin(cfg)
        system = build(cfg, self.generators["learn"], run.keep_bad_batch)
        self.policy, self.learner, self.deliberation, self.remembering = system
        if ranks is not None:
            ranks.share(self.policy)
        self.planner = self.deliberation if isinstance(self.deliberation, Planner | Branches) else None
        if self.remembering is not None:
            self.remembering.explores = True
        self.workers = Workers(cfg.num_workers)
        self.worlds = Worlds(cfg.env, self.policy, cfg.seed, cfg.num_envs, self._tolerance(), self.workers)
        self.progress = Progress(cfg)
        self.parts: dict[str, Saved] = {
            "policy": self.policy,
            "learner": self.learner,
            "worlds": self.worlds,
            "progress": self.progress,
            "random": RandomStates(self.generators),
        }
        if self.planner is not None:
            self.parts["planner"] = self.planner
        self._unproven: int | None = None  # the step of a checkpoint whose weights no update has met yet
        try:
            self._bring_back()
        except BaseException:  # an environment may hold processes, files, windows
            self.close()
            raise

    def close(self) -> None:
        """Close the worlds, and end the processes that they had."""
        self.worlds.close()
        self.workers.close()

    def _bring_back(self) -> None:
        """Read the run's checkpoint, or the weights that it begins with."""
        if self.run.checkpoint is not None:
            checkpoint.read(self.run.checkpoint, self.policy, self.parts)
            self.run.write_best(self.progress.best)
            self._unproven = self.progress.steps
        elif self.cfg.init is not None:
            self.policy.load_weights(initial_checkpoint(self.cfg.init))
        if self.run.checkpoint is None and self.cfg.memory.init is not None and self.remembering is not None:
            self.remembering.records.load_state_dict(initial_memory(self.cfg).records.state_dict())

    def evaluate(self, episodes: int) -> dict[str, Any]:
        """Greedy and sampled episodes in worlds of their own; training goes on as if they had not been played."""
        self.policy.clear_cache()
        cfg = self.cfg
        with self.remembering.reporting() if self.remembering is not None else nullcontext():
            how: dict[str, Any] = {"tolerance": self._tolerance(), "workers": self.workers}
            result = evaluate(self.policy, cfg.env, episodes, cfg.seed, **how)
        self.policy.counts.clear()  # they are logged of training alone
        return result

    def save(self) -> None:
        """Write a checkpoint, and remove those that are neither among the last nor the best nor the last sound one."""
        run, progress = self.run, self.progress
        checkpoint.write(run.checkpoint_folder(progress.steps), self.policy, self.parts, self.cfg)
        kept = {run.write_best(progress.best), run.sound()}
        checkpoint_folder.keep_last(run.folder, self.cfg.log.keep_checkpoints, kept)
        self._unproven = progress.steps

    def note_sound(self) -> None:
        """An update without a NaN or an infinity is done: the weights that it began with, if saved, are sound."""
        if self._unproven is not None:
            self.run.write_sound(self._unproven)
            self._unproven = None

    def is_saved(self) -> bool:
        """Whether there is a checkpoint of the present step."""
        return self.run.checkpoint_folder(self.progress.steps).exists()

    def _tolerance(self) -> Tolerance:
        return Tolerance(self.cfg.log.max_failed_episodes, self.run.keep_fault)
