"""One PPO update: advantages, value epochs, policy epochs. Knows nothing of environments or files.

Departs from the published trainer, each with a switch back (`ppo=published` turns all): advantages are normalised over
the batch (there: within 4 samples), a timeout is bootstrapped from the final observation (there: treated as terminal),
the KL guard looks at a whole optimiser step (there: at each part of an accumulated step) and at the whole menu (there:
at the actions that were played), and there are self-imitation and a count-based exploration bonus. The head of
conf/ppo/default.yaml lists every number that differs, with its reason.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from twosome.errors import NumericsError, counter
from twosome.protocols import ActorCritic, KeepBadBatch, StateDict
from twosome.rl import count_bonus, losses, optimizers
from twosome.rl.batch import Batch, make_batch
from twosome.rl.count_bonus import CountBonus
from twosome.rl.optimizers import LastStep, load_optimizer_state, make_optimizer, optimizer_state, remedy
from twosome.rl.self_imitation import Drawn, SelfImitation
from twosome.types import Rollout

if TYPE_CHECKING:
    from twosome.config.schema import PPOSettings

METRICS = {
    "loss/policy": "clipped surrogate, mean over the samples of an update (to be minimised)",
    "loss/value": "value loss, mean over minibatches",
    "policy/entropy": "entropy of the action distribution in nats, mean over samples",
    "policy/kl": "KL(old | new) in nats, as ppo.kl takes it, mean over optimiser steps",
    "policy/kl_stop": "1 where the KL guard ended the policy epochs of an update",
    "policy/clip_fraction": "share of samples whose ratio left 1 +- clip",
    "policy/ratio_deviation": "largest |ratio - 1| of an optimiser step, mean over steps",
    "policy/ratio_deviation_first": "the same for the first step of an update, where old and new policy are equal: 0 "
    "but for rounding",
    "policy/steps": "optimiser steps of the actor in an update",
    **count_bonus.METRICS,
    "value/explained_variance": "1 - var(target - value) / var(target) before the update",
    "gradient_norm/actor": "before clipping, mean over steps",
    "gradient_norm/critic": "before clipping, mean over steps",
    "learning_rate/actor": "of this update",
    "learning_rate/critic": "of this update",
}


class PPO:
    """The two optimisers and one `update`.

    `generator` orders the minibatches; `keep_bad_batch` is given what was skipped.
    """

    def __init__(
        self,
        policy: ActorCritic,
        settings: PPOSettings,
        generator: torch.Generator,
        keep_bad_batch: KeepBadBatch | None = None,
    ):
        self.policy, self.settings, self.generator, self.keep_bad_batch = policy, settings, generator, keep_bad_batch
        s = settings
        self.actor = make_optimizer(policy.actor_parameters(), s.actor, s.adam_eps)
        self.critic = make_optimizer(policy.value_head.parameters(), s.critic, s.adam_eps)
        self.self_imitation = SelfImitation(s.self_imitation)
        self.count_bonus = CountBonus(s.count_bonus)
        self.updates = self.bad_updates = 0
        self.samples: Batch | None = None

    def update(self, rollout: Rollout, progress: float) -> dict[str, float]:
        """Learn from one rollout.

        `progress`: share of the run that is over, 0 to 1, for the schedules. Returns what to log.
        """
        s = self.settings
        entropy = s.entropy * (1 - progress) + s.entropy_end * progress
        metrics = self._set_learning_rates(progress)
        self._rewards = rollout.rewards
        self.updates += 1
        bonus = self.count_bonus.bonuses(rollout)
        if bonus is not None:
            metrics |= self.count_bonus.metrics(bonus)
        try:
            batch = self.samples = make_batch(rollout, self.policy, s, bonus)
        except NumericsError as error:
            self.samples = None
            self._skip([f"values: {error}"], None, None)
            return metrics
        learnt = batch.learnt
        metrics["value/explained_variance"] = losses.explained_variance(learnt.values, learnt.targets)
        if bad := learnt.not_finite():
            self._skip(bad, learnt, torch.arange(len(learnt)))
        elif len(batch):
            if self.updates > s.critic.warmup_updates:
                metrics |= self._learn_values(learnt)
            self.self_imitation.add(batch)
            if self.updates > s.actor.warmup_updates:
                metrics |= self._learn_policy(batch, entropy)
        return metrics

    def state_dict(self) -> StateDict:
        """Both optimisers, the counters, and the parts that keep something from update to update."""
        return {
            "updates": self.updates,
            "bad_updates": self.bad_updates,
            "actor": optimizer_state(self.actor),
            "critic": optimizer_state(self.critic),
            "self_imitation": self.self_imitation.state_dict(),
            "count_bonus": self.count_bonus.state_dict(),
        }

    def load_state_dict(self, state: StateDict) -> None:
        """The inverse of `state_dict`."""
        self.updates, self.bad_updates = (counter(state[name], name) for name in ("updates", "bad_updates"))
        load_optimizer_state(self.actor, state["actor"])
        load_optimizer_state(self.critic, state["critic"])
        self.self_imitation.load_state_dict(state["self_imitation"])
        self.count_bonus.load_state_dict(state["count_bonus"])

    def _set_learning_rates(self, progress: float) -> dict[str, float]:
        rates = {}
        for name, optimizer in (("actor", self.actor), ("critic", self.critic)):
            rate = (self.settings.actor if name == "actor" else self.settings.critic).learning_rate
            for group in optimizer.param_groups:
                group["lr"] = rate * ((1 - progress) + progress * self.settings.learning_rate_end)
            rates[f"learning_rate/{name}"] = optimizer.param_groups[0]["lr"]
        return rates

    # Critic -----------------------------------------------------------------------------------------------------------

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

    # Actor ------------------------------------------------------------------------------------------------------------

    def _learn_policy(self, batch: Batch, entropy: float) -> dict[str, float]:
        """Policy epochs.

        An optimiser step takes `minibatch x accumulation` samples; a last smaller group is a step too.
        """
        s = self.settings
        self.self_imitation.update_gaps(self.policy)
        total: dict[str, list[float]] = defaultdict(list)
        stopped, last = False, LastStep(self.actor) if s.kl == "menu" else None
        for _ in range(s.actor.epochs):
            order = torch.randperm(len(batch), generator=self.generator)
            advantages = self._normalized(batch, order)
            for group in order.split(s.actor.minibatch * s.accumulation):
                step = self._gradient(batch, group, advantages, entropy)
                if not total:
                    total["policy/ratio_deviation_first"].append(step["policy/ratio_deviation"])
                for name, value in step.items():
                    total[name].append(value)
                if s.target_kl is not None and step["policy/kl"] > s.target_kl:
                    stopped = True
                    if last is not None:
                        last.shorten(step["policy/kl"], s.target_kl)
                    break
                if last is not None:
                    last.keep(step["policy/kl"])
                norm = self._step(self.actor, {"policy loss": step["loss/policy"]}, batch, group)
                total["gradient_norm/actor"].append(norm)
            if stopped:
                break
        self.actor.zero_grad(set_to_none=True)
        steps = float(len(total["gradient_norm/actor"]))
        return _means(total) | {"policy/steps": steps, "policy/kl_stop": float(stopped)}

    def _normalized(self, batch: Batch, order: Tensor) -> Tensor:
        s, advantages = self.settings, batch.learnt.advantages
        if s.advantage_normalization == "batch":
            return losses.normalize(advantages, s.advantage_floor)
        if s.advantage_normalization == "minibatch":
            result = advantages.clone()
            for index in map(batch.rows_of, order.split(s.actor.minibatch)):
                result[index] = losses.normalize(advantages[index], s.advantage_floor)
            return result
        return advantages

    def _gradient(self, batch: Batch, group: Tensor, advantages: Tensor, entropy: float) -> dict[str, float]:
        """Accumulate the gradient of one optimiser step; after an out-of-memory error again, with smaller passes."""
        past = self.self_imitation.draw(self.generator)
        return optimizers.in_smaller_passes(
            self.actor, lambda: self._accumulate(batch, group, advantages, entropy, past), self.policy.halve_budget
        )

    def _accumulate(
        self, batch: Batch, group: Tensor, advantages: Tensor, entropy: float, past: Drawn | None
    ) -> dict[str, float]:
        """Forward and backward pass by pass, of the group and of the past samples together.

        What they share is computed once.

        A function of its own, so that a failed pass leaves no tensor behind.
        """
        sums: dict[str, float] = defaultdict(float)
        samples = past.samples if past else []
        scale = batch.learnt.advantages.std(correction=0).item() + self.settings.advantage_floor
        decisions = [*(batch.decisions[i] for i in group.tolist()), *(s.decision for s in samples)]
        for places, log_probs in self.policy.evaluate_actions(decisions):
            index = torch.tensor(places)
            is_new = index < len(group)
            loss = log_probs.new_zeros(())
            if is_new.any():
                rows = log_probs[is_new.to(log_probs.device)]
                loss = loss + self._loss(batch, group[index[is_new]], advantages, rows, entropy, sums) / len(group)
            if past is not None and not is_new.all():
                rows = log_probs[~is_new.to(log_probs.device)]
                loss = loss + past.loss(index[~is_new] - len(group), rows, scale)
            loss.backward()
        return {k: v if k == "policy/ratio_deviation" else v / len(group) for k, v in sums.items()}

    def _loss(
        self, batch: Batch, index: Tensor, advantages: Tensor, log_probs: Tensor, entropy: float, sums: dict[str, float]
    ) -> Tensor:
        """The summed loss of some samples, and its parts added to `sums`."""
        device, rows = log_probs.device, batch.rows_of(index)
        log_ratio = batch.chosen(index, log_probs) - batch.learnt.log_probs[rows].to(device)
        surrogate = losses.clipped_surrogate(log_ratio, advantages[rows].to(device), self.settings.clip).sum()
        entropies = losses.entropy(log_probs).sum()
        with torch.no_grad():
            deviation = (log_ratio.exp() - 1).abs()
            sums["policy/ratio_deviation"] = max(sums["policy/ratio_deviation"], deviation.max().item())
            if self.settings.kl == "menu":
                old = batch.distributions[index, : log_probs.shape[1]].to(device)
                sums["policy/kl"] += losses.kl(old, log_probs[:, : old.shape[1]]).sum().item()
            else:
                sums["policy/kl"] += losses.approximate_kl(log_ratio).sum().item()
            sums["policy/clip_fraction"] += (deviation > self.settings.clip).sum().item() * len(index) / len(rows)
            sums["policy/entropy"] += entropies.item()
            sums["loss/policy"] += surrogate.item()
        return surrogate - entropy * entropies

    # Steps ------------------------------------------------------------------------------------------------------------

    def _step(self, optimizer: torch.optim.Optimizer, watched: dict[str, Any], batch: Batch, index: Tensor) -> float:
        """Clip and step. A NaN or infinity never reaches a weight: the step is skipped and counted."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.settings.max_gradient_norm)
        parts = (*watched.items(), ("gradient norm", norm))
        bad = [name for name, x in parts if not torch.isfinite(torch.as_tensor(x)).all()]
        if not bad:
            optimizer.step()
            return norm.item()
        optimizer.zero_grad(set_to_none=True)
        self._skip(bad, batch, index)
        return float("nan")

    def _skip(self, bad: list[str], batch: Batch | None, index: Tensor | None) -> None:
        """Count a step that was not taken and keep its samples. Raises `NumericsError` after `max_bad_updates`."""
        self.bad_updates += 1
        kept = self._keep(bad, batch, index) if batch is not None and index is not None else ""
        if self.bad_updates >= self.settings.max_bad_updates:
            raise NumericsError(
                f"{self.bad_updates} optimiser steps met a NaN or infinity (now in the {' and the '.join(bad)}) and "
                f"were skipped; ppo.max_bad_updates={self.settings.max_bad_updates}. No weight was touched by "
                f"them.{kept} {remedy(self._rewards, 'ppo.actor.learning_rate, ppo.critic.learning_rate')}."
            )

    def _keep(self, bad: list[str], batch: Batch, index: Tensor) -> str:
        if self.keep_bad_batch is None:
            return ""
        decisions = [batch.decisions[i]._asdict() for i in index.tolist()]
        facts = {"not_finite": bad, "update": self.updates, "decisions": decisions}
        tensors = {
            "actions": batch.actions,
            "log_probs": batch.log_probs,
            "values": batch.values,
            "advantages": batch.advantages,
            "targets": batch.targets,
            "features": batch.features,
        }
        name = f"update-{self.updates:06d}-{self.bad_updates}"
        return self.keep_bad_batch(name, facts, {key: tensor[index] for key, tensor in tensors.items()})


def _means(total: dict[str, list[float]]) -> dict[str, float]:
    return {name: sum(values) / len(values) for name, values in total.items() if values}
