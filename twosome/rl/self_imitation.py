"""Self-imitation (Oh et al. 2018): learning again from one's own better past, from the environment's reward alone.

    loss = - weight * mean over samples of (gap / scale) log pi(a | s)            gap = max(0, target - V(s))

Samples are drawn from the last rollouts in proportion to their gap, so an action that once did better than the critic
now expects of its state is learnt again until the critic expects it. `target` is the value target of that rollout,
`scale` the standard deviation of the present advantages, which puts both losses on one scale. Old rollouts leave, and a
target that was too high with them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from twosome.errors import counter, number
from twosome.protocols import Policy
from twosome.rl.batch import Batch
from twosome.types import Decision

if TYPE_CHECKING:
    from twosome.config.schema import SelfImitationSettings

MOST_SCALES = 3.0  # a gap counts as this many scales at most
LARGEST_TARGET = 1e33  # that a checkpoint may hold: float32 holds the sum of many


class Sample(NamedTuple):
    """A past decision, the position of the action taken, and the value target it had."""

    decision: Decision
    action: int
    target: float


class Drawn(NamedTuple):
    """Samples drawn for one optimiser step, the positions of their actions [N], their gaps [N]."""

    samples: list[Sample]
    actions: Tensor
    gaps: Tensor
    weight: float

    def loss(self, index: Tensor, log_probs: Tensor, scale: float) -> Tensor:
        """The summed loss of the samples at `index`, as its share of the mean over all.

        `log_probs` [n, M]: of their menus.
        """
        weights = self.weight * (self.gaps[index] / scale).clamp(max=MOST_SCALES) / len(self.samples)
        chosen = log_probs.gather(1, self.actions[index, None].to(log_probs.device)).squeeze(1)
        return -(weights.to(log_probs.device) * chosen).sum()


class SelfImitation:
    """The samples of the last `settings.rollouts` rollouts that did better than expected."""

    def __init__(self, settings: SelfImitationSettings):
        self.settings = settings
        self.rollouts: deque[list[Sample]] = deque(maxlen=settings.rollouts)
        self._samples: list[Sample] = []
        self._gaps = torch.zeros(0)

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

    def update_gaps(self, policy: Policy) -> None:
        """The gap of every sample to what the critic expects now: after the critic has learnt, before `draw`."""
        self._samples = [s for rollout in self.rollouts for s in rollout]
        if self._samples:
            values = policy.values([s.decision.state for s in self._samples])
            self._gaps = (torch.tensor([s.target for s in self._samples]) - values).clamp(min=0)

    def draw(self, generator: torch.Generator) -> Drawn | None:
        """Some of the samples, in proportion to their gap; None where no gap is left."""
        count = min(self.settings.samples, int((self._gaps > 0).sum())) if self._samples else 0
        if count == 0:
            return None
        index = torch.multinomial(self._gaps, count, generator=generator)
        drawn = [self._samples[i] for i in index.tolist()]
        return Drawn(drawn, torch.tensor([s.action for s in drawn]), self._gaps[index], self.settings.weight)

    def state_dict(self) -> dict[str, Any]:
        """The samples, each as [state, prompt or None where it is the state, menu, bias, action, target]."""
        return {"rollouts": [[_row(s) for s in rollout] for rollout in self.rollouts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`. Raises `ValueError` where it cannot be that."""
        self.rollouts.clear()
        for rollout in state["rollouts"]:
            self.rollouts.append([_sample(row) for row in rollout])


def _row(sample: Sample) -> list[Any]:
    d = sample.decision
    return [
        d.state,
        None if d.prompt == d.state else d.prompt,
        list(d.menu),
        list(d.bias),
        sample.action,
        sample.target,
    ]


def _sample(row: list[Any]) -> Sample:
    state, prompt, menu, bias, action, target = row
    prompt = state if prompt is None else prompt
    is_text = all(isinstance(text, str) for text in (state, prompt, *menu)) and isinstance(menu, list)
    is_bias = bias == [] or len(bias) == len(menu)
    if not (is_text and is_bias and all(menu) and len(set(menu)) == len(menu)):
        raise ValueError(f"a sample of self-imitation is {row!r:.200}")
    if not counter(action, "its action") < len(menu) or not abs(number(target, "its target")) < LARGEST_TARGET:
        raise ValueError(f"a sample of self-imitation has action {action} and target {target}")
    "".join((state, prompt, *menu)).encode()  # half a surrogate pair is no text
    weights = tuple(number(weight, "its log-weight") for weight in bias)
    return Sample(Decision(state, prompt, tuple(menu), weights), action, target)
