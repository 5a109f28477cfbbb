"""A table of Q-values on the numeric observation, epsilon-greedy over the legal actions; `rl.q_learning` learns it."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from twosome.errors import number
from twosome.systems.baselines.common import Baseline
from twosome.types import Decision

if TYPE_CHECKING:
    from twosome.config.schema import BaselineSettings


class QTable(Baseline):
    """`q[state][action]`, zero at first. Acts epsilon-greedily; ties are shared."""

    is_fixed = False

    def __init__(self, settings: BaselineSettings):
        super().__init__()
        self.q: dict[str, dict[str, float]] = defaultdict(dict)
        self.epsilon = settings.epsilon

    def log_probs(self, decisions: list[Decision]) -> list[Tensor]:
        """For every decision the log-probabilities of its menu."""
        return [self._row(d).log() for d in decisions]

    def values(self, states: list[str]) -> Tensor:
        """The best Q-value of every state: [N]."""
        return torch.tensor([max(self.q[s].values(), default=0.0) for s in states])

    def weights(self) -> dict[str, dict[str, Tensor]]:
        """The table as JSON, in bytes."""
        text = json.dumps({"q": self.q, "epsilon": self.epsilon}).encode()
        return {"table": {"json": torch.tensor(list(text), dtype=torch.uint8)}}

    def set_weights(self, weights: dict[str, dict[str, Tensor]]) -> None:
        """The inverse of `weights`. Raises `ValueError` or another of `INVALID_CONTENT` where it cannot be that."""
        saved = json.loads(bytes(weights["table"]["json"].tolist()))
        rows = {
            state: {action: number(value, "a Q-value") for action, value in row.items()}
            for state, row in saved["q"].items()
        }
        if not 0 <= number(saved["epsilon"], "epsilon") <= 1:
            raise ValueError(f"epsilon is {saved['epsilon']}, expected 0 to 1")
        self.q, self.epsilon = defaultdict(dict, rows), saved["epsilon"]

    def _row(self, decision: Decision) -> Tensor:
        values = torch.tensor([self.q[decision.state].setdefault(a, 0.0) for a in decision.menu])
        is_best = values >= values.max() - 1e-12
        greedy = is_best.float() / is_best.sum()
        return self.epsilon / len(values) + (1 - self.epsilon) * greedy
