"""Tabular Q-learning on the numeric observation (Watkins 1989), epsilon-greedy over the legal actions."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

from twosome.baselines.common import Baseline
from twosome.types import Decision, Rollout


class QTable(Baseline):
    """Q[observation][action], zero at first. Acts epsilon-greedily; ties are shared."""

    def __init__(self, cfg: Any):
        super().__init__()
        self.q: dict[str, dict[str, float]] = defaultdict(dict)
        self.epsilon = cfg.baseline.epsilon

    def log_probs(self, decisions: list[Decision]) -> list[Tensor]:
        return [self._row(d).log() for d in decisions]

    def _row(self, decision: Decision) -> Tensor:
        values = torch.tensor([self.q[decision.prompt].setdefault(a, 0.0) for a in decision.menu])
        is_best = values >= values.max() - 1e-12
        greedy = is_best.float() / is_best.sum()
        return self.epsilon / len(values) + (1 - self.epsilon) * greedy

    def values(self, prompts: list[str]) -> Tensor:
        return torch.tensor([max(self.q[p].values(), default=0.0) for p in prompts])

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        text = json.dumps({"q": self.q, "epsilon": self.epsilon}).encode()
        return {"table": {"json": torch.tensor(list(text), dtype=torch.uint8)}}

    def load_tensors(self, tensors: dict[str, dict[str, Tensor]]) -> None:
        saved = json.loads(bytes(tensors["table"]["json"].tolist()))
        self.q, self.epsilon = defaultdict(dict, saved["q"]), saved["epsilon"]


class QLearner:
    """One pass over a rollout: backwards in time, so that a reward reaches the steps that led to it at once, or forwards
    (`baseline.backward=false`), as Q-learning along a path does it.

        Q(s, a) += step_size (r + gamma^duration (1 - terminated) max_a' Q(s', a') - Q(s, a))
    """

    def __init__(self, policy: QTable, cfg: Any):
        self.policy, self.settings = policy, cfg.baseline
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.parts: dict[str, Any] = {}
        self.updates = self.bad_updates = 0

    def update(self, rollout: Rollout, progress: float) -> dict[str, float]:
        """Learn from one rollout; `progress`, 0 to 1, sets epsilon. Returns what to log."""
        s, q = self.settings, self.policy.q
        self.policy.epsilon = s.epsilon * (1 - progress) + s.epsilon_end * progress
        errors = []
        steps, worlds = rollout.rewards.shape
        for t in reversed(range(steps)) if s.backward else range(steps):
            for b in range(worlds):
                if not rollout.is_real[t, b]:
                    continue
                decision = rollout.decisions[t][b]
                action = decision.menu[int(rollout.actions[t, b])]
                ahead = 0.0 if rollout.terminated[t, b] else max(q[rollout.next_prompts[t][b]].values(), default=0.0)
                target = float(rollout.rewards[t, b]) + float(rollout.discounts[t, b]) * ahead
                error = target - q[decision.prompt].get(action, 0.0)
                q[decision.prompt][action] = q[decision.prompt].get(action, 0.0) + s.step_size * error
                errors.append(0.5 * error * error)
        self.updates += 1
        return {"loss/value": sum(errors) / max(len(errors), 1) if errors else math.nan}
