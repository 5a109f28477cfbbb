"""A learner whose rewards are other than the environment's: what the frozen model learns, costs that rise slowly.

The returns that are logged and evaluated stay those of the environment.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from twosome.errors import ConfigError
from twosome.protocols import Learner, StateDict
from twosome.types import Reference, Rollout

METRICS = {
    "reward/surprise": "what the frozen model learns from what was found, mean over the questions that were answered",
    "reward/cost_share": "share of the costs that is taken off the rewards that are learnt from",
}


class Rewarded:
    """A learner behind other rewards.

    `surprises`: those of answers, None for the environment's; `warmup`: share of the run over which costs rise from
    nothing to what they are.
    """

    def __init__(self, learner: Learner, surprises: Callable[[list[Reference]], Tensor] | None, warmup: float):
        self.learner, self.surprises, self.warmup = learner, surprises, warmup

    @property
    def bad_updates(self) -> int:
        return self.learner.bad_updates

    @property
    def samples(self) -> Any:
        """Those of the learner."""
        return self.learner.samples

    def update(self, rollout: Rollout, progress: float) -> dict[str, float]:
        """Learn from the rollout with other rewards. Raises `ConfigError` where the environment tells no answers."""
        share = min(1.0, progress / self.warmup) if self.warmup else 1.0
        metrics, rewards = {"reward/cost_share": share}, rollout.rewards.clone()
        if share < 1 and rollout.costs is not None:
            rewards += (1 - share) * rollout.costs * rollout.is_real
        if self.surprises is not None:
            if rollout.references is None and (rollout.closes is None or rollout.closes.any()):
                raise ConfigError(
                    "reward=surprise asks how likely the right answers are, and this environment told none: expected "
                    "info['reference'] where a question is closed, as that of env=toolbox. Use reward=default."
                )
            rows = enumerate(rollout.references or [])  # in a small rollout no question may be closed
            given = [(t, b, r) for t, row in rows for b, r in enumerate(row) if r is not None]
            if given:
                found = self.surprises([reference for *_, reference in given])
                places = torch.tensor([place for *place, _ in given])
                rewards[places[:, 0], places[:, 1]] = found
                metrics["reward/surprise"] = found.mean().item()
        return metrics | self.learner.update(dataclasses.replace(rollout, rewards=rewards), progress)

    def state_dict(self) -> StateDict:
        """The learner's."""
        return self.learner.state_dict()

    def load_state_dict(self, state: StateDict) -> None:
        """The inverse of `state_dict`."""
        self.learner.load_state_dict(state)
