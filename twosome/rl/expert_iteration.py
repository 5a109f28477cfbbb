"""Expert iteration (Anthony et al. 2017): the policy learns what a search proposes, the critic what came of it.

    actor     - sum_a target(a) log pi(a | s)              target: the distribution that the search proposes at s
    critic    half (V(s) - lambda-return)^2

Samples are drawn from the last rollouts; of a decision met again the newest counts. The search chose the actions, so
the data are not the policy's own: there is no ratio to clip, and no advantage.
"""

from __future__ import annotations

from collections import defaultdict, deque
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from twosome.errors import NumericsError, counter, number
from twosome.protocols import ActorCritic, StateDict
from twosome.rl import losses
from twosome.rl.advantages import gae
from twosome.rl.count_bonus import CountBonus
from twosome.rl.optimizers import in_smaller_passes, load_optimizer_state, make_optimizer, optimizer_state, remedy
from twosome.types import Decision, Rollout

if TYPE_CHECKING:
    from twosome.config.schema import ExpertIterationSettings

METRICS = {
    "loss/policy": "cross-entropy to the search's proposals, mean over the samples of an update",
    "policy/agreement": "share of the samples on which the policy prefers what is proposed to it",
}
LARGEST_VALUE = 1e33  # that a checkpoint may hold: float32 holds the sum of many


class Sample(NamedTuple):
    """A decision, what the search proposed there [A], and the lambda-return that followed."""

    decision: Decision
    target: tuple[float, ...]
    value: float


class ExpertIteration:
    """Two optimisers and one `update`.

    `generator` draws the samples; `counts` of visits are what the search's bonus reads.
    """

    def __init__(self, policy: ActorCritic, settings: ExpertIterationSettings, generator: torch.Generator):
        self.policy, self.settings, self.generator = policy, settings, generator
        s = settings
        self.actor = make_optimizer(policy.actor_parameters(), s.actor, s.adam_eps)
        self.critic = make_optimizer(policy.value_head.parameters(), s.critic, s.adam_eps)
        self.rollouts: deque[list[Sample]] = deque(maxlen=s.rollouts)
        self.count_bonus = CountBonus(s.count_bonus)
        self.updates = self.bad_updates = 0
        self.samples = None

    def update(self, rollout: Rollout, progress: float) -> dict[str, float]:
        """Keep a rollout's samples and learn from the last ones. `progress` is not used. Returns what to log."""
        self.updates += 1
        self._rewards = rollout.rewards
        bonus = self.count_bonus.bonuses(rollout)
        metrics = {} if bonus is None else self.count_bonus.metrics(bonus)
        try:
            self.rollouts.append(self._samples(rollout))
        except NumericsError:
            self._skip()
            return metrics
        samples = self._drawn()
        if samples:
            metrics |= self._learn_values(samples) | self._learn_policy(samples)
        return metrics

    def bonus(self, state: str) -> float:
        """The exploration bonus of a state inside a search, by the visits of the run so far."""
        return self.count_bonus.of(state)

    def state_dict(self) -> StateDict:
        """Optimisers, counters, samples and visit counts."""
        return {
            "updates": self.updates,
            "bad_updates": self.bad_updates,
            "actor": optimizer_state(self.actor),
            "critic": optimizer_state(self.critic),
            "rollouts": [[_row(s) for s in kept] for kept in self.rollouts],
            "count_bonus": self.count_bonus.state_dict(),
        }

    def load_state_dict(self, state: StateDict) -> None:
        """The inverse of `state_dict`."""
        self.updates, self.bad_updates = (counter(state[name], name) for name in ("updates", "bad_updates"))
        load_optimizer_state(self.actor, state["actor"])
        load_optimizer_state(self.critic, state["critic"])
        self.rollouts.clear()
        self.rollouts.extend([_sample(row) for row in kept] for kept in state["rollouts"])
        self.count_bonus.load_state_dict(state["count_bonus"])

    def _samples(self, rollout: Rollout) -> list[Sample]:
        assert rollout.targets is not None, "a search or a demonstrator must have chosen"
        shape = rollout.rewards.shape
        values = self.policy.values([d.state for row in rollout.decisions for d in row]).view(shape)
        next_values = self.policy.values([s for row in rollout.next_states for s in row]).view(shape)
        rewards = torch.where(rollout.is_real, rollout.rewards, values)
        ends = rollout.terminated, rollout.truncated
        _, returns = gae(rewards, values, next_values, rollout.discounts, *ends, self.settings.gae_lambda)
        if not torch.isfinite(returns).all():
            raise NumericsError("a value target is not finite")
        return [
            Sample(decision, tuple(target.tolist()), float(returns[t, b]))
            for t, row in enumerate(zip(rollout.decisions, rollout.targets, strict=True))
            for b, (decision, target) in enumerate(zip(*row, strict=True))
            if target is not None and rollout.is_real[t, b]
        ]

    def _drawn(self) -> list[Sample]:
        """What an update learns: `settings.samples` of those that are kept, of equal decisions the last."""
        newest = list({s.decision: s for kept in self.rollouts for s in kept}.values())
        if self.settings.samples is None or len(newest) <= self.settings.samples:
            return newest
        order = torch.randperm(len(newest), generator=self.generator)[: self.settings.samples]
        return [newest[i] for i in order.tolist()]

    def _learn_values(self, samples: list[Sample]) -> dict[str, float]:
        s = self.settings
        features = self.policy.features([sample.decision.state for sample in samples])
        targets = torch.tensor([sample.value for sample in samples], device=features.device)
        total: dict[str, list[float]] = defaultdict(list)
        for _ in range(s.critic.epochs):
            for index in torch.randperm(len(samples), generator=self.generator).split(s.critic.minibatch):
                values = self.policy.value_head(features[index])
                loss = losses.value_loss(values, values, targets[index], None).mean()
                self.critic.zero_grad(set_to_none=True)
                loss.backward()
                total["gradient_norm/critic"].append(self._step(self.critic))
                total["loss/value"].append(loss.item())
        return _means(total)

    def _learn_policy(self, samples: list[Sample]) -> dict[str, float]:
        s = self.settings
        total: dict[str, list[float]] = defaultdict(list)
        for _ in range(s.actor.epochs):
            for index in torch.randperm(len(samples), generator=self.generator).split(s.actor.minibatch):
                group = [samples[i] for i in index.tolist()]
                work = partial(self._accumulate, group)
                found = in_smaller_passes(self.actor, work, self.policy.halve_budget)
                total["gradient_norm/actor"].append(self._step(self.actor))
                for name, value in found.items():
                    total[name].append(value)
        self.actor.zero_grad(set_to_none=True)
        return _means(total)

    def _accumulate(self, group: list[Sample]) -> dict[str, float]:
        """Forward and backward pass by pass; a function of its own, so that a failed pass leaves no tensor behind."""
        sums: dict[str, float] = defaultdict(float)
        for places, log_probs in self.policy.evaluate_actions([s.decision for s in group]):
            targets = torch.zeros_like(log_probs)
            for row, place in enumerate(places):
                target = group[place].target
                targets[row, : len(target)] = torch.tensor(target, device=log_probs.device)
            loss = losses.cross_entropy(log_probs, targets).sum() / len(group)
            loss.backward()
            sums["loss/policy"] += loss.item()
            sums["policy/entropy"] += losses.entropy(log_probs.detach()).sum().item() / len(group)
            agrees = log_probs.argmax(1) == targets.argmax(1)
            sums["policy/agreement"] += agrees.sum().item() / len(group)
        return dict(sums)

    def _step(self, optimizer: torch.optim.Optimizer) -> float:
        """Clip and step. A NaN or infinity never reaches a weight: the step is skipped and counted."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.settings.max_gradient_norm)
        if torch.isfinite(norm):
            optimizer.step()
            return norm.item()
        optimizer.zero_grad(set_to_none=True)
        self._skip()
        return float("nan")

    def _skip(self) -> None:
        """Count a step that was not taken. Raises `NumericsError` after `max_bad_updates`."""
        self.bad_updates += 1
        if self.bad_updates >= self.settings.max_bad_updates:
            raise NumericsError(
                f"{self.bad_updates} optimiser steps met a NaN or infinity and were skipped; "
                f"expert_iteration.max_bad_updates={self.settings.max_bad_updates}. No weight was touched by them. "
                f"{remedy(self._rewards, 'expert_iteration.*.learning_rate')}."
            )


def _row(sample: Sample) -> list[Any]:
    state, prompt, menu, bias = sample.decision
    return [[state, prompt, list(menu), list(bias)], list(sample.target), sample.value]


def _sample(row: list[Any]) -> Sample:
    (state, prompt, menu, bias), target, value = row
    is_text = all(isinstance(text, str) for text in (state, prompt, *menu)) and isinstance(menu, list)
    is_long = len(target) == len(menu) and len(bias) in (0, len(menu))
    if not (is_text and is_long and all(menu) and len(set(menu)) == len(menu)):
        raise ValueError(f"a sample of expert iteration is {row!r:.200}")
    shares = tuple(number(share, "a share of its target") for share in target)
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-3 or abs(number(value, "its value")) > LARGEST_VALUE:
        raise ValueError(f"a sample of expert iteration has the target {target!r:.200} and the value {value}")
    weights = tuple(number(weight, "its log-weight") for weight in bias)
    return Sample(Decision(state, prompt, tuple(menu), weights), shares, value)


def _means(total: dict[str, list[float]]) -> dict[str, float]:
    return {name: sum(values) / len(values) for name, values in total.items() if values}
