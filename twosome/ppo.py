"""One PPO update: advantages, value epochs, policy epochs. Knows nothing of environments or files.

Departs from the published trainer, each with a switch back (`ppo=published` turns all): advantages are normalised over the batch
(there: within 4 samples), a time limit is bootstrapped from the final observation (there: death), the KL guard looks at a whole
optimiser step (there: at each part of an accumulated step), the better past is learnt again (`imitation`), and scenes seldom met
pay a bonus (`novelty`). The head of conf/ppo/default.yaml lists every number that differs, with its reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from twosome import losses, scoring
from twosome.imitation import Drawn, Imitation
from twosome.novelty import Novelty
from twosome.returns import gae, group_advantages
from twosome.types import Decision, NumericsError, Rollout

if TYPE_CHECKING:
    from twosome.config import PPOSettings
    from twosome.policy import LLMPolicy


KeepBatch = Callable[[list[str], "Batch", Tensor, "Learner"], str]  # what is bad, samples, which of them; says where they lie


class Batch:
    """The real samples of a rollout in one row: decisions, action positions, old log-probabilities, advantages, targets."""

    def __init__(self, rollout: Rollout, policy: LLMPolicy, settings: PPOSettings, bonus: Tensor | None = None):
        real = rollout.is_real.flatten()
        shape = rollout.rewards.shape
        self.decisions = [d for d, keep in zip((d for row in rollout.decisions for d in row), real, strict=True) if keep]
        features = policy.features([d.prompt for row in rollout.decisions for d in row])
        with torch.no_grad():
            values = policy.value_head(features).cpu().view(shape)
        next_values = policy.values([p for row in rollout.next_prompts for p in row]).view(shape)
        terminated = rollout.terminated | rollout.truncated if settings.truncation == "death" else rollout.terminated
        if settings.advantage == "group":
            values, next_values = torch.zeros_like(values), torch.zeros_like(next_values)
        lam = 1.0 if settings.advantage == "group" else settings.gae_lambda
        rewards = torch.where(rollout.is_real, rollout.rewards, values)  # a dropped step has advantage 0: nothing leaks from it
        advantages, targets = gae(
            rewards, values, next_values, rollout.discounts, terminated, rollout.truncated, lam
        )
        if settings.advantage == "group":
            advantages = torch.zeros(shape)
            advantages[rollout.is_real] = group_advantages(targets[rollout.is_real], groups_of(self.decisions))
        if bonus is not None:  # the policy is drawn to what is new; the critic's targets and the past stay those of the true reward
            nothing = torch.zeros_like(values)
            advantages = advantages + gae(bonus, nothing, nothing, rollout.discounts, terminated, rollout.truncated, lam)[0]
        self.features = features[real.to(features.device)]
        self.actions, self.log_probs, self.values, self.advantages, self.targets = (
            x.flatten()[real] for x in (rollout.actions, rollout.log_probs, values, advantages, targets)
        )

    def __len__(self) -> int:
        return len(self.actions)

    def not_finite(self) -> list[str]:
        """Which of its numbers are a NaN or an infinity somewhere."""
        parts = {"log-probabilities": self.log_probs, "values": self.values, "advantages": self.advantages, "value targets": self.targets}
        return [name for name, x in parts.items() if not torch.isfinite(x).all()]


class Learner:
    """The two optimisers and one `update`. `generator` orders the minibatches; all its state is in `state_dict`."""

    def __init__(self, policy: LLMPolicy, settings: PPOSettings, generator: torch.Generator):
        self.policy, self.settings, self.generator = policy, settings, generator
        s = settings
        self.actor = torch.optim.AdamW(
            policy.adapter_parameters(), s.actor.learning_rate, eps=s.adam_eps, weight_decay=s.actor.weight_decay
        )
        self.critic = torch.optim.AdamW(
            policy.value_head.parameters(), s.critic.learning_rate, eps=s.adam_eps, weight_decay=s.critic.weight_decay
        )
        self.optimizers = {"actor": self.actor, "critic": self.critic}
        self.imitation = Imitation(s.imitation)
        self.novelty = Novelty(s.novelty)
        self.parts = {"imitation": self.imitation, "novelty": self.novelty}  # what a checkpoint holds beside the optimisers
        self.updates = 0
        self.bad_updates = 0
        self.keep_bad_batch: KeepBatch | None = None
        self.batch: Batch | None = None  # of the last update, for those who want to look at it

    def update(self, rollout: Rollout, progress: float) -> dict[str, float]:
        """Learn from one rollout. `progress`: share of the run that is over, 0 to 1, for the schedules. Returns what to log."""
        s = self.settings
        remaining = 1 - progress
        for optimizer, part in ((self.actor, s.actor), (self.critic, s.critic)):
            for group in optimizer.param_groups:
                group["lr"] = part.learning_rate * (remaining + progress * s.learning_rate_end)
        entropy = s.entropy * remaining + s.entropy_end * progress
        metrics = {"learning_rate/actor": self.actor.param_groups[0]["lr"], "learning_rate/critic": self.critic.param_groups[0]["lr"]}
        self.updates += 1
        bonus = self.novelty.bonuses(rollout)
        if bonus is not None:
            metrics |= {"novelty/bonus": bonus.mean().item(), "novelty/scenes": float(len(self.novelty.counts))}
        try:
            batch = self.batch = Batch(rollout, self.policy, s, bonus)
        except NumericsError as error:
            self.batch = None
            self._skip([f"values: {error}"], None, None)
            return metrics
        metrics["value/explained_variance"] = losses.explained_variance(batch.values, batch.targets)
        if bad := batch.not_finite():
            self._skip(bad, batch, torch.arange(len(batch)))
        elif len(batch):
            if self.updates > s.critic.warmup_updates:
                metrics |= self._learn_values(batch)
            self.imitation.add(batch)
            if self.updates > s.actor.warmup_updates:
                metrics |= self._learn_policy(batch, entropy)
        return metrics

    # Critic ------------------------------------------------------------------------------------------------------------

    def _learn_values(self, batch: Batch) -> dict[str, float]:
        """Value epochs on the cached features: a few small matrix products."""
        s = self.settings
        device = batch.features.device
        targets, old = batch.targets.to(device), batch.values.to(device)
        total: dict[str, list[float]] = defaultdict(list)
        for _ in range(s.critic.epochs):
            for index in torch.randperm(len(batch), generator=self.generator).split(s.critic.minibatch):
                index = index.to(device)
                values = self.policy.value_head(batch.features[index])
                loss = losses.value_loss(values, old[index], targets[index], s.value_clip).mean()
                self.critic.zero_grad(set_to_none=True)
                (s.value_coefficient * loss).backward()
                norm = self._step(self.critic, {"value loss": loss}, batch, index.cpu())
                total["loss/value"].append(loss.item())
                total["gradient_norm/critic"].append(norm)
        return _means(total)

    # Actor -------------------------------------------------------------------------------------------------------------

    def _learn_policy(self, batch: Batch, entropy: float) -> dict[str, float]:
        """Policy epochs. An optimiser step takes `minibatch x accumulation` samples; a last smaller group is a step too."""
        s = self.settings
        self.imitation.appraise(self.policy)
        total: dict[str, list[float]] = defaultdict(list)
        stopped, first = False, True
        for _ in range(s.actor.epochs):
            order = torch.randperm(len(batch), generator=self.generator)
            advantages = self._normalized(batch.advantages, order)
            for group in order.split(s.actor.minibatch * s.accumulation):
                step = self._gradient(batch, group, advantages, entropy)
                if first:
                    total["policy/ratio_deviation_first"].append(step["policy/ratio_deviation"])
                    first = False
                for name, value in step.items():
                    total[name].append(value)
                if s.target_kl is not None and step["policy/kl"] > s.target_kl:
                    stopped = True
                    break
                total["gradient_norm/actor"].append(self._step(self.actor, {"policy loss": step["loss/policy"]}, batch, group))
            if stopped:
                break
        self.actor.zero_grad(set_to_none=True)
        return _means(total) | {
            "policy/steps": float(len(total["gradient_norm/actor"])),
            "policy/kl_stop": float(stopped),
        }

    def _normalized(self, advantages: Tensor, order: Tensor) -> Tensor:
        if self.settings.advantage_normalization == "batch":
            return losses.normalize(advantages, self.settings.advantage_floor)
        if self.settings.advantage_normalization == "minibatch":
            result = advantages.clone()
            for index in order.split(self.settings.actor.minibatch):
                result[index] = losses.normalize(advantages[index], self.settings.advantage_floor)
            return result
        return advantages

    def _gradient(self, batch: Batch, group: Tensor, advantages: Tensor, entropy: float) -> dict[str, float]:
        """Accumulate the gradient of one optimiser step over its passes; after an out-of-memory, again with smaller ones."""
        past = self.imitation.draw(self.generator)
        while True:
            self.actor.zero_grad(set_to_none=True)
            try:
                return self._accumulate(batch, group, advantages, entropy, past)
            except torch.OutOfMemoryError as error:
                self.policy.halve_budget(error)

    def _accumulate(
        self, batch: Batch, group: Tensor, advantages: Tensor, entropy: float, past: Drawn | None
    ) -> dict[str, float]:
        """Forward and backward pass by pass, of the group and of the past samples together: what they share is computed once.

        A function of its own, so that a failed pass leaves no tensor behind.
        """
        sums: dict[str, float] = defaultdict(float)
        samples = past.samples if past else []
        spread = batch.advantages.std(correction=0).item() + self.settings.advantage_floor
        decisions = [*(batch.decisions[i] for i in group.tolist()), *(s.decision for s in samples)]
        for places, log_probs in self.policy.evaluate(decisions):
            index = torch.tensor(places)
            is_new = index < len(group)
            loss = log_probs.new_zeros(())
            if is_new.any():
                rows = log_probs[is_new.to(log_probs.device)]
                loss = loss + self._loss(batch, group[index[is_new]], advantages, rows, entropy, sums) / len(group)
            if past is not None and not is_new.all():
                loss = loss + past.loss(index[~is_new] - len(group), log_probs[~is_new.to(log_probs.device)], spread)
            loss.backward()
        return {k: v if k == "policy/ratio_deviation" else v / len(group) for k, v in sums.items()}

    def _loss(
        self, batch: Batch, index: Tensor, advantages: Tensor, log_probs: Tensor, entropy: float, sums: dict[str, float]
    ) -> Tensor:
        """The summed loss of some samples, and its parts added to `sums`."""
        device = log_probs.device
        chosen = log_probs.gather(1, batch.actions[index, None].to(device)).squeeze(1)
        log_ratio = chosen - batch.log_probs[index].to(device)
        surrogate = losses.clipped_surrogate(log_ratio, advantages[index].to(device), self.settings.clip).sum()
        entropies = scoring.entropy(log_probs).sum()
        with torch.no_grad():
            deviation = (log_ratio.exp() - 1).abs()
            sums["policy/ratio_deviation"] = max(sums["policy/ratio_deviation"], deviation.max().item())
            sums["policy/kl"] += losses.approximate_kl(log_ratio).sum().item()
            sums["policy/clip_fraction"] += (deviation > self.settings.clip).sum().item()
            sums["policy/entropy"] += entropies.item()
            sums["loss/policy"] += surrogate.item()
        return surrogate - entropy * entropies

    def _step(self, optimizer: torch.optim.Optimizer, watched: dict[str, Any], batch: Batch, index: Tensor) -> float:
        """Clip and step. A NaN or infinity never reaches a weight: the step is skipped and counted."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.settings.max_gradient_norm)
        bad = [name for name, x in (*watched.items(), ("gradient norm", norm)) if not torch.isfinite(torch.as_tensor(x)).all()]
        if not bad:
            optimizer.step()
            return norm.item()
        optimizer.zero_grad(set_to_none=True)
        self._skip(bad, batch, index)
        return float("nan")

    def _skip(self, bad: list[str], batch: Batch | None, index: Tensor | None) -> None:
        """Count a step that was not taken and keep its samples. Raises `NumericsError` after `max_bad_updates`."""
        self.bad_updates += 1
        kept = "" if self.keep_bad_batch is None or batch is None or index is None else self.keep_bad_batch(bad, batch, index, self)
        if self.bad_updates >= self.settings.max_bad_updates:
            raise NumericsError(
                f"{self.bad_updates} optimiser steps met a NaN or infinity (now in the {' and the '.join(bad)}) and were skipped; "
                f"ppo.max_bad_updates={self.settings.max_bad_updates}. No weight was touched by them.{kept} Lower the learning rates "
                "(ppo.actor.learning_rate, ppo.critic.learning_rate) or use model.dtype=float32, in a new run_dir."
            )


def groups_of(decisions: list[Decision]) -> Tensor:
    """A number for every decision, equal for equal ones."""
    numbers: dict[Decision, int] = {}
    return torch.tensor([numbers.setdefault(d, len(numbers)) for d in decisions])


def _means(total: dict[str, list[float]]) -> dict[str, float]:
    return {name: sum(values) / len(values) for name, values in total.items() if values}
