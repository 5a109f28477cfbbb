"""Rollout -> batch: the real samples in a row, with the values, advantages and value targets of an update."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from twosome.protocols import ActorCritic
from twosome.rl.advantages import gae, group_advantages
from twosome.rl.tokens import Chosen, unroll
from twosome.types import Decision, Rollout

if TYPE_CHECKING:
    from twosome.config.schema import PPOSettings


TENSORS = ("features", "distributions", "actions", "log_probs", "values", "advantages", "targets")


class Tokens(NamedTuple):
    """The tokens of a batch's actions: a batch of E rows, the `sample` [E] of each, and what it chose there."""

    rows: Batch
    sample: Tensor
    chosen: Chosen


@dataclass
class Batch:
    """N real samples in a row.

    `features` [N, H]; old `distributions` [N, M], log-probabilities of the menus padded with -inf; `actions` (positions
    in the menus), old `log_probs` of them, `values`, `advantages` and value `targets`, all [N], on the CPU. `tokens`:
    of the actions, where each has its own; the samples' numbers are then those of their first tokens.
    """

    decisions: list[Decision]
    features: Tensor
    distributions: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    targets: Tensor
    tokens: Tokens | None = field(default=None, init=False)

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def learnt(self) -> Batch:
        """What has a value, an advantage and a ratio of its own: the samples, or their tokens."""
        return self.tokens.rows if self.tokens else self

    def rows_of(self, index: Tensor) -> Tensor:
        """The rows of `learnt` that belong to some samples, in their order."""
        return index if self.tokens is None else self._tokens_of(index)[0]

    def chosen(self, index: Tensor, log_probs: Tensor) -> Tensor:
        """The log-probability of every row of `rows_of(index)`, from those of the samples' menus: [n, M]."""
        if self.tokens is None:
            return log_probs.gather(1, self.actions[index, None].to(log_probs.device)).squeeze(1)
        rows, places = self._tokens_of(index)
        return self.tokens.chosen.at(rows, log_probs.shape[1]).log_probs(log_probs[places.to(log_probs.device)])

    def _tokens_of(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The rows of some samples' tokens, and the place of each's sample in `index`."""
        assert self.tokens is not None
        places = torch.full((len(self),), -1).scatter(0, index, torch.arange(len(index)))[self.tokens.sample]
        rows = (places >= 0).nonzero().squeeze(1)
        rows = rows[places[rows].argsort(stable=True)]
        return rows, places[rows]

    def at(self, index: Tensor) -> Batch:
        """Some rows, in the order of `index`."""
        tensors = (getattr(self, name) for name in TENSORS)
        return Batch([self.decisions[i] for i in index.tolist()], *(x[index.to(x.device)] for x in tensors))

    def not_finite(self) -> list[str]:
        """Which of its numbers are a NaN or an infinity somewhere."""
        parts = {
            "log-probabilities": self.log_probs,
            "values": self.values,
            "advantages": self.advantages,
            "value targets": self.targets,
        }
        return [name for name, x in parts.items() if not torch.isfinite(x).all()]


def make_batch(rollout: Rollout, policy: ActorCritic, settings: PPOSettings, bonus: Tensor | None = None) -> Batch:
    """Value the rollout's states and estimate its advantages, with the critic (`gae`) or without (`group`).

    `bonus` [T, B] is added to the advantages alone: the value targets stay those of the environment's reward. Raises
    `NumericsError` where the model gives no finite features.
    """
    make = _of_tokens if settings.decompose == "token" else _of_actions
    return make(rollout, policy, settings, bonus)


def _of_tokens(rollout: Rollout, policy: ActorCritic, settings: PPOSettings, bonus: Tensor | None) -> Batch:
    """The batch of a rollout's actions with that of their tokens."""
    unrolled = unroll(rollout, policy, bonus)
    real = unrolled.rollout.is_real
    rows = _of_actions(unrolled.rollout, policy, settings, unrolled.bonus)
    kept = zip((branch for row in unrolled.branches for branch in row), real.flatten(), strict=True)
    chosen = Chosen.of([branch for branch, keep in kept if keep], rows.distributions.shape[1])
    numbers = (rollout.is_real.flatten().cumsum(0) - 1).view(rollout.is_real.shape)
    sample = numbers.gather(0, unrolled.step)[real]
    first = unrolled.is_first[real].nonzero().squeeze(1)
    batch = rows.at(first[sample[first].argsort()])
    rows.log_probs = chosen.log_probs(rows.distributions)
    batch.tokens = Tokens(rows, sample, chosen)
    return batch


def _of_actions(rollout: Rollout, policy: ActorCritic, settings: PPOSettings, bonus: Tensor | None) -> Batch:
    """The batch of a rollout whose steps are what is learnt from."""
    real, shape = rollout.is_real.flatten(), rollout.rewards.shape
    decisions = [d for d, keep in zip((d for row in rollout.decisions for d in row), real, strict=True) if keep]
    features = policy.features([d.state for row in rollout.decisions for d in row])
    with torch.no_grad():
        values = policy.value_head(features).cpu().view(shape)
    next_values = policy.values([s for row in rollout.next_states for s in row]).view(shape)
    estimate = _group if settings.advantage == "group" else _gae
    values, advantages, targets = estimate(rollout, values, next_values, settings, decisions)
    if bonus is not None:
        lam = 1.0 if settings.advantage == "group" else settings.gae_lambda
        zeros = torch.zeros(shape)
        terminated = _terminated(rollout, settings)
        advantages = advantages + gae(bonus, zeros, zeros, rollout.discounts, terminated, rollout.truncated, lam)[0]
    rows = (rollout.actions, rollout.log_probs, values, advantages, targets)
    played = [row for row, keep in zip((p for t in rollout.distributions for p in t), real, strict=True) if keep]
    distributions = pad_sequence(played, batch_first=True, padding_value=-torch.inf) if played else torch.zeros(0, 0)
    kept = (x.flatten()[real] for x in rows)
    return Batch(decisions, features[real.to(features.device)], distributions, *kept)


def _gae(
    rollout: Rollout, values: Tensor, next_values: Tensor, settings: PPOSettings, _: list[Decision]
) -> tuple[Tensor, Tensor, Tensor]:
    """Values, advantages and value targets [T, B]. A dropped step has advantage 0: nothing leaks from it."""
    rewards = torch.where(rollout.is_real, rollout.rewards, values)
    terminated = _terminated(rollout, settings)
    if settings.hint and rollout.hints is not None:
        rewards = rewards + settings.hint * rollout.hints * rollout.is_real
    scale = (rollout.discounts, terminated, rollout.truncated, _decay(rollout, settings.gae_lambda))
    return values, *gae(rewards, values, next_values, *scale)


def _decay(rollout: Rollout, lam: float) -> float | Tensor:
    """GAE's lambda; in a session of questions it decays from question to question and not inside one.

    Else the way that takes more decisions to an answer would be charged for it: where the critic expects too much or
    too little of what is still to come, the difference would reach it less than the shorter one.
    """
    return lam if rollout.closes is None else torch.where(rollout.closes, lam, 1.0)


def _group(
    rollout: Rollout, values: Tensor, next_values: Tensor, settings: PPOSettings, decisions: list[Decision]
) -> tuple[Tensor, Tensor, Tensor]:
    """The same without a critic: the return of each sample, less the mean over the samples of equal decisions."""
    zeros = torch.zeros_like(values)
    rewards = torch.where(rollout.is_real, rollout.rewards, zeros)
    terminated = _terminated(rollout, settings)
    _, targets = gae(rewards, zeros, zeros, rollout.discounts, terminated, rollout.truncated, 1.0)
    advantages = torch.zeros_like(values)
    advantages[rollout.is_real] = group_advantages(targets[rollout.is_real], groups_of(decisions))
    return zeros, advantages, targets


def _terminated(rollout: Rollout, settings: PPOSettings) -> Tensor:
    """Ends that are not bootstrapped: with `truncation=death` a timeout, with `credit=question` every answer."""
    ends = rollout.terminated | rollout.truncated if settings.truncation == "death" else rollout.terminated
    return ends | rollout.closes if settings.credit == "question" and rollout.closes is not None else ends


def groups_of(decisions: list[Decision]) -> Tensor:
    """A number for every decision, equal for equal ones."""
    numbers: dict[Decision, int] = {}
    return torch.tensor([numbers.setdefault(d, len(numbers)) for d in decisions])
