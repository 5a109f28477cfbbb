"""Q-learning of a head on frozen features of state and action, from replayed transitions (after Mnih et al. 2015).

    max       y = R + D Q'(s', argmax_a Q(s', a))        double selection (van Hasselt et al. 2016, eq. 4)
    expected  y = R + D sum_a pi(a | s') Q'(s', a)       expected Sarsa, the critic of an actor pi
    loss      half (Q(s, a) - y)^2

R, D: reward and discount of n steps (`rl.replay`), R with what another visit of s', D later, would pay by now
(`rl.count_bonus`; the states passed on the way pay in returns that end there); Q: the policy's value head; Q': its
target network, a copy that follows it slowly. Knows nothing of how the policy acts.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from twosome.errors import NumericsError, counter
from twosome.protocols import ActionCritic, StateDict
from twosome.rl import count_bonus, losses
from twosome.rl.count_bonus import CountBonus
from twosome.rl.optimizers import GuardedSteps, load_optimizer_state, make_optimizer, optimizer_state
from twosome.rl.replay import Replay, Transition, transitions
from twosome.types import Rollout

if TYPE_CHECKING:
    from twosome.config.learners import QHeadSettings

METRICS = {
    **count_bonus.METRICS,
    "q/value": "Q of the replayed decisions and actions, mean over the minibatches of an update",
    "q/replay": "transitions kept for replay",
    "q/temperature": "tau of the next rollout, in units of return",
    "q/epsilon": "share of the next rollout's actions that are drawn from the whole menu",
}


class Explorer(ActionCritic, Protocol):
    """A policy that acts by its action values: their temperature, and the share of random actions."""

    tau: float
    epsilon: float


class Drawn(NamedTuple):
    """N drawn transitions as numbers.

    `features` [U, H] of all their states and actions; `chosen` [N] and `ahead` [N, M] count its rows: of the action
    taken, and of those of the next menu, as far as `is_real` [N, M]. `log_probs` [N, M]: of the policy over the next
    menus, padded with -inf, where they are asked for.
    """

    features: Tensor
    chosen: Tensor
    ahead: Tensor
    is_real: Tensor
    rewards: Tensor
    discounts: Tensor
    log_probs: Tensor | None


def best_ahead(online: Tensor, target: Tensor, *, double: bool = True) -> Tensor:
    """The target network's value of the best action of every row, [N, M] padded with -inf -> [N].

    `double`: the best by the online head, so that an action which the target network overrates is not the one that is
    valued; else the best by the target network itself.
    """
    return target.gather(1, (online if double else target).argmax(1, keepdim=True)).squeeze(1)


class QCritic:
    """Head, target network, optimiser, replay and visit counts.

    `expects`: targets are expected under the policy, else those of the best action. `take_step`: takes optimiser steps,
    the actor's too if there is one; `rates`: the settings of their learning rates, for its message.
    """

    def __init__(
        self,
        policy: ActionCritic,
        settings: QHeadSettings,
        generator: torch.Generator,
        *,
        expects: bool = False,
        rates: str = "q_head.critic.learning_rate",
    ):
        self.policy, self.settings, self.generator, self.expects = policy, settings, generator, expects
        limits = settings.max_gradient_norm, settings.max_bad_updates
        self.take_step = GuardedSteps(*limits, "q_head.max_bad_updates", rates)
        self.target = copy.deepcopy(policy.value_head).requires_grad_(False)
        self.optimizer = make_optimizer(policy.value_head.parameters(), settings.critic, settings.adam_eps)
        self.replay = Replay(settings.replay)
        self.count_bonus = CountBonus(settings.count_bonus)
        self.updates = self.steps = 0
        self.has_begun = False

    def learn(self, rollout: Rollout, progress: float = 0.0) -> dict[str, float]:
        """Keep a rollout's transitions and learn from drawn ones. `progress` sets the rate. Returns what to log."""
        self.updates += 1
        self.take_step.rewards = rollout.rewards
        try:
            if not self.has_begun:
                self._begin(rollout)
        except NumericsError:
            self.take_step.skip()
        found = transitions(rollout, self.settings.n, by_question=self.settings.credit == "question")
        bonus = self.count_bonus.bonuses(rollout)
        if torch.isfinite(rollout.rewards).all():
            self.replay.add(found)
        else:
            self.take_step.skip()
        s = self.settings.critic
        for group in self.optimizer.param_groups:
            group["lr"] = s.learning_rate * ((1 - progress) + progress * self.settings.learning_rate_end)
        metrics = {"q/replay": float(len(self.replay))} | ({} if bonus is None else self.count_bonus.metrics(bonus))
        if not found or not len(self.replay) or self.updates <= s.warmup_updates:
            return metrics
        count = -(-s.epochs * len(found) // s.minibatch) * s.minibatch
        try:
            drawn = self._as_numbers(self.replay.draw(count, self.generator))
        except NumericsError:
            self.take_step.skip()
            return metrics
        total: dict[str, list[float]] = defaultdict(list)
        for index in torch.arange(count).split(s.minibatch):
            for name, value in self._step(drawn, index).items():
                total[name].append(value)
        return metrics | {name: sum(values) / len(values) for name, values in total.items()}

    def state_dict(self) -> StateDict:
        """Optimiser, target network, replay, visit counts and counters; the head itself is the policy's."""
        return {
            "updates": self.updates,
            "steps": self.steps,
            "has_begun": self.has_begun,
            "bad_updates": self.take_step.skipped,
            "optimizer": optimizer_state(self.optimizer),
            "target": self.target.state_dict(),
            "replay": self.replay.state_dict(),
            "count_bonus": self.count_bonus.state_dict(),
        }

    def load_state_dict(self, state: StateDict) -> None:
        """The inverse of `state_dict`. Raises one of `INVALID_CONTENT` where it cannot be that."""
        self.updates, self.steps = (counter(state[name], name) for name in ("updates", "steps"))
        if not isinstance(state["has_begun"], bool):
            raise ValueError(f"has_begun is {state['has_begun']!r}, expected true or false")
        self.has_begun = state["has_begun"]
        self.take_step.load(state["bad_updates"])
        load_optimizer_state(self.optimizer, state["optimizer"])
        if not all(torch.isfinite(tensor).all() for tensor in state["target"].values()):
            raise ValueError("the target network holds numbers that are not finite")
        self.target.load_state_dict(state["target"])
        self.replay.load_state_dict(state["replay"])
        self.count_bonus.load_state_dict(state.get("count_bonus", {"counts": {}}))  # which the first of them lack

    def targets(self, drawn: Drawn, index: Tensor) -> Tensor:
        """The value targets of some of the drawn transitions: [n], without gradient."""
        features, is_real = drawn.features[drawn.ahead[index]], drawn.is_real[index]  # [n, M, H], [n, M]
        with torch.no_grad():
            target = self.target(features).masked_fill(~is_real, -torch.inf)
            if drawn.log_probs is not None:
                ahead = losses.expected_value(drawn.log_probs[index], target)
            else:
                online = self.policy.value_head(features).masked_fill(~is_real, -torch.inf)
                ahead = best_ahead(online, target, double=self.settings.double)
            return drawn.rewards[index] + drawn.discounts[index] * ahead

    def _begin(self, rollout: Rollout) -> None:
        """The first rollout that gives numbers settles the scale of features; the target network begins like the head.

        Not when it is built: a run may begin with another's.
        """
        pairs = {(d.state, action) for row in rollout.decisions for d in row for action in d.menu}
        self.policy.scale_features(sorted(pairs))
        self.target.load_state_dict(self.policy.value_head.state_dict())
        self.has_begun = True

    def _step(self, drawn: Drawn, index: Tensor) -> dict[str, float]:
        targets = self.targets(drawn, index)
        values = self.policy.value_head(drawn.features[drawn.chosen[index]])
        loss = losses.value_loss(values, values, targets, None).mean()
        loss.backward()
        norm = self.take_step(self.optimizer, loss.item())
        self.steps += 1
        if self.steps % self.settings.target_interval == 0:
            with torch.no_grad():
                pairs = zip(self.target.parameters(), self.policy.value_head.parameters(), strict=True)
                for slow, fast in pairs:
                    slow.lerp_(fast, self.settings.target_rate)
        return {"loss/value": loss.item(), "gradient_norm/critic": norm, "q/value": values.mean().item()}

    def _as_numbers(self, found: list[Transition]) -> Drawn:
        rows: dict[tuple[str, str], int] = {}
        chosen = [rows.setdefault((t.state, t.menu[t.action]), len(rows)) for t in found]
        ahead = [[rows.setdefault((t.next_state, a), len(rows)) for a in t.next_menu] for t in found]
        ahead = [row or [k] for row, k in zip(ahead, chosen, strict=True)]  # where nothing follows any will do: D is 0
        padded = pad_sequence([torch.tensor(row) for row in ahead], batch_first=True, padding_value=-1)
        rewards = [t.reward + t.discount * self.count_bonus.of(t.next_state) for t in found]
        numbers = {"rewards": rewards, "discounts": [t.discount for t in found]}
        features = self.policy.action_features(list(rows))
        found_log_probs = self._log_probs(found).to(features) if self.expects else None
        return Drawn(
            features,
            torch.tensor(chosen),
            padded.clamp(min=0),
            (padded >= 0).to(features.device),
            **{name: torch.tensor(values).to(features) for name, values in numbers.items()},
            log_probs=found_log_probs,
        )

    def _log_probs(self, found: list[Transition]) -> Tensor:
        """Of the policy over the next menus; where nothing follows one action that is sure."""
        asked = iter(self.policy.log_probs([t.following for t in found if t.next_menu]))
        rows = [next(asked) if t.next_menu else torch.zeros(1) for t in found]
        return pad_sequence(rows, batch_first=True, padding_value=-torch.inf)


class QHead:
    """The critic alone is learnt, and the policy acts by it; `settings` also say how much it explores."""

    samples = None

    def __init__(self, policy: Explorer, settings: QHeadSettings, generator: torch.Generator):
        self.policy, self.settings = policy, settings
        self.critic = QCritic(policy, settings, generator)

    @property
    def bad_updates(self) -> int:
        return self.critic.take_step.skipped

    def update(self, rollout: Rollout, progress: float) -> dict[str, float]:
        """Learn from one rollout; `progress`, 0 to 1, sets how the next is explored. Returns what to log."""
        s, policy = self.settings, self.policy
        policy.tau = s.tau * (1 - progress) + s.tau_end * progress
        policy.epsilon = s.epsilon * (1 - progress) + s.epsilon_end * progress
        return self.critic.learn(rollout, progress) | {"q/temperature": policy.tau, "q/epsilon": policy.epsilon}

    def state_dict(self) -> StateDict:
        """The critic's."""
        return self.critic.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.critic.load_state_dict(state)
