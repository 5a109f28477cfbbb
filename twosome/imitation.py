"""Learning again from one's own better past: self-imitation (Oh et al. 2018), from the environment's reward alone.

    loss = - weight * mean over samples of (gain / spread) log pi(a | s)            gain = max(0, target - V(s))

Samples are drawn from the last rollouts in proportion to their gain, so an action that once did better than the critic now
expects of its state is learnt again until the critic expects it. `target` is the value target of that rollout, `spread` the
standard deviation of the present advantages, which puts both losses on one scale. Old rollouts leave, and a target that was
too hopeful with them.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from twosome.types import Decision

if TYPE_CHECKING:
    from twosome.config import ImitationSettings
    from twosome.policy import LLMPolicy
    from twosome.ppo import Batch

MOST_SPREADS = 3.0  # a gain counts as this many spreads at most


class Sample(NamedTuple):
    """A past decision, the position of the action taken, and the value target it had."""

    decision: Decision
    action: int
    target: float


class Drawn(NamedTuple):
    """Samples drawn for one optimiser step, the positions of their actions [N], their gains [N]."""

    samples: list[Sample]
    actions: Tensor
    gains: Tensor
    weight: float

    def loss(self, index: Tensor, log_probs: Tensor, spread: float) -> Tensor:
        """The summed loss of those at `index`, whose menus have these log-probabilities [n, M], as its share of the mean over all."""
        weights = self.weight * (self.gains[index] / spread).clamp(max=MOST_SPREADS) / len(self.samples)
        chosen = log_probs.gather(1, self.actions[index, None].to(log_probs.device)).squeeze(1)
        return -(weights.to(log_probs.device) * chosen).sum()


class Imitation:
    """The samples of the last `settings.rollouts` rollouts that did better than expected."""

    def __init__(self, settings: ImitationSettings):
        self.settings = settings
        self.rollouts: deque[list[Sample]] = deque(maxlen=settings.rollouts)
        self._samples: list[Sample] = []
        self._gains = torch.zeros(0)

    def add(self, batch: Batch) -> None:
        """Keep what did better than the critic expected, each decision and action once, with its best target."""
        if self.settings.weight == 0:
            return
        best: dict[tuple[Decision, int], float] = {}
        rows = zip(batch.decisions, batch.actions.tolist(), batch.targets.tolist(), batch.values.tolist(), strict=True)
        for decision, action, target, value in rows:
            if target > value:
                best[decision, action] = max(target, best.get((decision, action), target))
        self.rollouts.append([Sample(decision, action, target) for (decision, action), target in best.items()])

    def appraise(self, policy: LLMPolicy) -> None:
        """The gain of every sample over what the critic expects now. To be called when the critic has learnt, before `draw`."""
        self._samples = [s for rollout in self.rollouts for s in rollout]
        if self._samples:
            values = policy.values([s.decision.prompt for s in self._samples])
            self._gains = (torch.tensor([s.target for s in self._samples]) - values).clamp(min=0)

    def draw(self, generator: torch.Generator) -> Drawn | None:
        """Some of the samples appraised, in proportion to their gain; None where nothing gains."""
        count = min(self.settings.samples, int((self._gains > 0).sum())) if self._samples else 0
        if count == 0:
            return None
        index = torch.multinomial(self._gains, count, generator=generator)
        drawn = [self._samples[i] for i in index.tolist()]
        return Drawn(drawn, torch.tensor([s.action for s in drawn]), self._gains[index], self.settings.weight)

    def state(self) -> list[Any]:
        """The samples as JSON, for a checkpoint."""
        return [[[s.decision.prompt, list(s.decision.menu), s.action, s.target] for s in rollout] for rollout in self.rollouts]

    def restore(self, state: list[Any]) -> None:
        """The inverse of `state`."""
        self.rollouts.clear()
        for rollout in state:
            for prompt, menu, action, target in rollout:
                if not isinstance(prompt, str) or type(action) is not int or not 0 <= action < len(menu) or not math.isfinite(target):
                    raise ValueError(f"a remembered sample is {(prompt, menu, action, target)!r:.200}")
            self.rollouts.append([Sample(Decision(prompt, tuple(menu)), action, target) for prompt, menu, action, target in rollout])
