"""Expected policy gradients over a menu: the deterministic policy gradient's idea where all actions can be listed.

    actor     - sum_a pi(a | s) Q(s, a) - entropy H(pi)          no action is sampled, so no baseline is needed
    critic    `rl.q_head`, its targets expected under pi

Its gradient is the mean of REINFORCE's with Q as return (Sutton et al. 2000, theorem 1; Ciosek & Whiteson 2020 call it
an expected policy gradient). Q is constant in it; the states are the newest that were met.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from twosome.errors import NumericsError
from twosome.protocols import ActionCritic, StateDict
from twosome.rl import losses
from twosome.rl.optimizers import in_smaller_passes, load_optimizer_state, make_optimizer, optimizer_state
from twosome.rl.q_head import QCritic
from twosome.types import Decision, Rollout

if TYPE_CHECKING:
    from twosome.config.learners import ExpectedSettings, QHeadSettings

METRICS = {
    "policy/expected_value": "sum over the menu of pi Q, mean over the states of an update",
}


class Expected:
    """An actor that climbs what a critic of actions says of all of them. `generator`: draws samples, orders states."""

    samples = None

    def __init__(
        self, policy: ActionCritic, settings: ExpectedSettings, of_critic: QHeadSettings, generator: torch.Generator
    ):
        self.policy, self.settings, self.generator = policy, settings, generator
        rates = "q_head.critic.learning_rate, expected.actor.learning_rate"
        self.critic = QCritic(policy, of_critic, generator, expects=True, rates=rates)
        self.take_step = self.critic.take_step
        self.actor = make_optimizer(policy.actor_parameters(), settings.actor, of_critic.adam_eps)

    @property
    def bad_updates(self) -> int:
        return self.take_step.skipped

    def update(self, rollout: Rollout, progress: float) -> dict[str, float]:
        """Learn from one rollout, the critic first. `progress`, 0 to 1, sets the entropy. Returns what to log."""
        s = self.settings
        metrics = self.critic.learn(rollout, progress)
        decisions = [t.decision for t in self.critic.replay.newest(s.states)]
        if not decisions or self.critic.updates <= s.actor.warmup_updates:
            return metrics
        try:
            values = self.policy.action_values(decisions)
        except NumericsError:
            self.take_step.skip()
            return metrics
        return metrics | self._learn_policy(decisions, values, s.entropy * (1 - progress) + s.entropy_end * progress)

    def state_dict(self) -> StateDict:
        """Of critic and actor."""
        return {
            "critic": self.critic.state_dict(),
            "actor": optimizer_state(self.actor),
        }

    def load_state_dict(self, state: StateDict) -> None:
        """The inverse of `state_dict`."""
        load_optimizer_state(self.actor, state["actor"])
        self.critic.load_state_dict(state["critic"])

    def _learn_policy(self, decisions: list[Decision], values: list[Tensor], entropy: float) -> dict[str, float]:
        s = self.settings.actor
        total: dict[str, list[float]] = defaultdict(list)
        for _ in range(s.epochs):
            for index in torch.randperm(len(decisions), generator=self.generator).split(s.minibatch):
                group = [(decisions[i], values[i]) for i in index.tolist()]
                work = partial(self.accumulate, group, entropy)
                found = in_smaller_passes(self.actor, work, self.policy.halve_budget)
                total["gradient_norm/actor"].append(self.take_step(self.actor, found["policy/expected_value"]))
                for name, value in found.items():
                    total[name].append(value)
        return {name: sum(found) / len(found) for name, found in total.items()}

    def accumulate(self, group: list[tuple[Decision, Tensor]], entropy: float) -> dict[str, float]:
        """Forward and backward pass by pass; a function of its own, so that a failed pass leaves no tensor behind."""
        sums: dict[str, float] = defaultdict(float)
        for places, log_probs in self.policy.evaluate_actions([decision for decision, _ in group]):
            values = torch.zeros_like(log_probs, requires_grad=False)
            for row, place in zip(values, places, strict=True):
                row[: len(group[place][1])] = group[place][1]
            expected = losses.expected_value(log_probs, values).sum() / len(group)
            entropies = losses.entropy(log_probs).sum() / len(group)
            (-expected - entropy * entropies).backward()
            sums["policy/expected_value"] += expected.item()
            sums["policy/entropy"] += entropies.item()
        return dict(sums)
