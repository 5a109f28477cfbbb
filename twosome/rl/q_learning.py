"""Tabular Q-learning (Watkins 1989) from rollouts. Knows nothing of how the table acts.

Q(s, a) += step_size (r + gamma^duration (1 - terminated) max_a' Q(s', a') - Q(s, a))
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

from twosome.errors import counter
from twosome.protocols import StateDict
from twosome.types import Rollout

if TYPE_CHECKING:
    from twosome.config.schema import BaselineSettings

METRICS = {"loss/value": "half the squared error of Q, mean over the steps of a rollout"}


class Table(Protocol):
    """What is learnt: `q[state][action]`, and the exploration rate that the schedule sets."""

    q: dict[str, dict[str, float]]
    epsilon: float


class QLearner:
    """One pass over a rollout.

    Backwards in time, so that a reward reaches the steps that led to it at once, or forwards
    (`baseline.backward=false`), as Q-learning along a path does it.
    """

    samples = None

    def __init__(self, policy: Table, settings: BaselineSettings):
        self.policy, self.settings = policy, settings
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
                is_end = bool(rollout.terminated[t, b])
                ahead = 0.0 if is_end else max(q[rollout.next_states[t][b]].values(), default=0.0)
                target = float(rollout.rewards[t, b]) + float(rollout.discounts[t, b]) * ahead
                error = target - q[decision.state].get(action, 0.0)
                q[decision.state][action] = q[decision.state].get(action, 0.0) + s.step_size * error
                errors.append(0.5 * error * error)
        self.updates += 1
        return {"loss/value": sum(errors) / max(len(errors), 1) if errors else math.nan}

    def state_dict(self) -> StateDict:
        """The counter; the table is the policy's."""
        return {"updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.updates = counter(state["updates"], "updates")
