"""A count-based exploration bonus (in the manner of Kolter & Ng 2009, who count pairs of state and action).

    b_t  = bonus / N(s_{t+1})                                 N: how often a step of the run has led to the state, this
    one included A'_t = A_t + sum over k of (lam d)^k b_{t+k}              up to the end of the episode or of the
    rollout

It depends on the run's own visits alone and soon fades. Only the advantages contain it: what the critic learns, what
self-imitation keeps, and every return that is logged or evaluated are of the environment's reward. (A critic of actions
is another matter: who acts by its values explores by what they contain, `rl.q_head`.) Where that is paid
only at the end, the bonus is what leads there; uniform play may take tens of thousands of steps to see that end once.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import torch
from torch import Tensor

from twosome.types import Rollout

METRICS = {
    "novelty/bonus": "count-based exploration bonus, mean over the steps of a rollout, in units of reward",
    "novelty/scenes": "different states met since the start of the run",
}
MOST_VISITS = 2**53  # that a checkpoint may claim: more are no number of a float


class CountBonus:
    """Visit counts of states, by digest, so that a checkpoint stays small.

    `bonus`: of a first visit, in units of reward; 0 counts nothing.
    """

    def __init__(self, bonus: float):
        self.bonus = bonus
        self.counts: Counter[str] = Counter()

    def bonuses(self, rollout: Rollout) -> Tensor | None:
        """Count the rollout's next states, in the order of time.

        Returns the bonus of every step: [T, B], 0 where not real.
        """
        if self.bonus == 0:
            return None
        result = torch.zeros_like(rollout.rewards)
        for t, row in enumerate(rollout.next_states):
            for b, state in enumerate(row):
                if rollout.is_real[t, b]:
                    key = _digest(state)
                    self.counts[key] += 1
                    result[t, b] = self.bonus / self.counts[key]
        return result

    def of(self, state: str) -> float:
        """What the next visit of a state would pay."""
        return self.bonus / (1 + self.counts[_digest(state)]) if self.bonus else 0.0

    def metrics(self, bonuses: Tensor) -> dict[str, float]:
        """What to log of a rollout's bonuses."""
        return {"novelty/bonus": bonuses.mean().item(), "novelty/scenes": float(len(self.counts))}

    def state_dict(self) -> dict[str, Any]:
        """The counts."""
        return {"counts": dict(self.counts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`. Raises `ValueError` where it cannot be that."""
        counts = state["counts"]
        if not isinstance(counts, dict) or not all(type(n) is int and 0 < n < MOST_VISITS for n in counts.values()):
            raise ValueError(f"the visit counts are {counts!r:.80}")
        self.counts = Counter(counts)


def _digest(state: str) -> str:
    return hashlib.blake2b(state.encode(), digest_size=8).hexdigest()
