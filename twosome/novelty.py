"""A bonus for scenes seldom met: an exploration bonus from counts (Strehl & Littman 2008; Bellemare et al. 2016).

    r'_t = r_t + bonus / sqrt(N(s_{t+1}))                N: how often the run has met the prompt, this time included

It is drawn from the run's own visits alone, pays less at every visit, and is no part of any return that is logged or evaluated.
Where the environment pays only at its end, it is what leads there: uniform play may take tens of thousands of steps to see that end.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import torch
from torch import Tensor

from twosome.types import Rollout


class Novelty:
    """Counts of the prompts met so far, by digest, so that a checkpoint stays small."""

    def __init__(self, bonus: float):
        self.bonus = bonus
        self.counts: Counter[str] = Counter()

    def rewards(self, rollout: Rollout) -> Tensor:
        """Count the rollout's next prompts, in the order of time. Returns the bonus of every step: [T, B], 0 where it is not real."""
        result = torch.zeros_like(rollout.rewards)
        if self.bonus == 0:
            return result
        for t, row in enumerate(rollout.next_prompts):
            for b, prompt in enumerate(row):
                if rollout.is_real[t, b]:
                    key = hashlib.blake2b(prompt.encode(), digest_size=8).hexdigest()
                    self.counts[key] += 1
                    result[t, b] = self.bonus / self.counts[key] ** 0.5
        return result

    def state(self) -> dict[str, int]:
        """The counts as JSON, for a checkpoint."""
        return dict(self.counts)

    def restore(self, state: Any) -> None:
        """The inverse of `state`. Raises `ValueError` where it cannot be that."""
        if not isinstance(state, dict) or not all(type(n) is int and n > 0 for n in state.values()):
            raise ValueError(f"the counts of prompts are {state!r:.80}")
        self.counts = Counter(state)
