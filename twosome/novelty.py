"""A bonus for scenes seldom met, for exploration (in the manner of Kolter & Ng 2009, who count pairs of state and action).

    b_t  = bonus / N(s_{t+1})                                 N: how often a step of the run has led to the prompt, this one included
    A'_t = A_t + sum over k of (lam d)^k b_{t+k}              up to the end of the episode or of the rollout

It is drawn from the run's own visits alone and soon fades. Advantages alone feel it: what the critic learns, what is remembered of
the past, and every return that is logged or evaluated are of the environment's reward. Where that is paid only at the end, the
bonus is what leads there; uniform play may take tens of thousands of steps to see that end once.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import torch
from torch import Tensor

from twosome.types import Rollout

MOST_VISITS = 2**53  # that a checkpoint may claim: more are no number of a float


class Novelty:
    """Counts of the prompts met so far, by digest, so that a checkpoint stays small. `bonus`: of a first visit, in units of reward."""

    def __init__(self, bonus: float):
        self.bonus = bonus
        self.counts: Counter[str] = Counter()

    def bonuses(self, rollout: Rollout) -> Tensor | None:
        """Count the rollout's next prompts, in the order of time. Returns the bonus of every step: [T, B], 0 where it is not real."""
        if self.bonus == 0:
            return None
        result = torch.zeros_like(rollout.rewards)
        for t, row in enumerate(rollout.next_prompts):
            for b, prompt in enumerate(row):
                if rollout.is_real[t, b]:
                    key = hashlib.blake2b(prompt.encode(), digest_size=8).hexdigest()
                    self.counts[key] += 1
                    result[t, b] = self.bonus / self.counts[key]
        return result

    def state(self) -> dict[str, int]:
        """The counts as JSON, for a checkpoint."""
        return dict(self.counts)

    def restore(self, state: Any) -> None:
        """The inverse of `state`. Raises `ValueError` where it cannot be that."""
        if not isinstance(state, dict) or not all(type(n) is int and 0 < n < MOST_VISITS for n in state.values()):
            raise ValueError(f"the counts of prompts are {state!r:.80}")
        self.counts = Counter(state)
