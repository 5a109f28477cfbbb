"""The terms of what is minimised, per sample, and what is watched. Pure; knows nothing of models or environments."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def clipped_surrogate(log_ratio: Float[Tensor, "N"], advantages: Float[Tensor, "N"], clip: float) -> Float[Tensor, "N"]:
    """-min(ratio A, clip(ratio, 1 - clip, 1 + clip) A), Schulman et al. 2017, eq. 7, to be minimised."""
    ratio = log_ratio.exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def value_loss(
    values: Float[Tensor, "N"], old_values: Float[Tensor, "N"], targets: Float[Tensor, "N"], clip: float | None
) -> Float[Tensor, "N"]:
    """Half the squared error; with `clip` at least that of the value moved at most `clip` from the old one."""
    error = (values - targets).square()
    if clip is not None:
        moved = old_values + (values - old_values).clamp(-clip, clip)
        error = torch.maximum(error, (moved - targets).square())
    return 0.5 * error


def approximate_kl(log_ratio: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
    """KL(old | new) from samples of old: ratio - 1 - log ratio, unbiased and never negative (Schulman's k3)."""
    return log_ratio.exp() - 1 - log_ratio


def kl(old: Float[Tensor, "N M"], new: Float[Tensor, "N M"]) -> Float[Tensor, " N"]:
    """KL(old | new) of every row in nats, from log-probabilities; an absent action (-inf in both) adds nothing."""
    is_real = old > -torch.inf
    return torch.where(is_real, old.exp() * (old - torch.where(is_real, new, 0.0)), 0.0).sum(dim=1)


def normalize(advantages: Float[Tensor, "N"], floor: float = 1e-8) -> Float[Tensor, "N"]:
    """Zero mean, divided by the standard deviation plus `floor`; a single sample is only centred.

    The floor keeps a batch in which nothing happened, whose advantages are the critic's noise alone, from being blown
    up.
    """
    centred = advantages - advantages.mean()
    return centred / (centred.square().mean().sqrt() + floor)


def explained_variance(values: Float[Tensor, "N"], targets: Float[Tensor, "N"]) -> float:
    """1 - var(target - value) / var(target); nan where the targets do not vary."""
    total = targets.var(correction=0)
    return float(1 - (targets - values).var(correction=0) / total) if total > 0 else float("nan")


def entropy(log_probs: Float[Tensor, "N M"]) -> Float[Tensor, " N"]:
    """Entropy of every row in nats; an absent action (-inf) adds nothing, also to the gradient."""
    is_real = log_probs > -torch.inf
    finite = torch.where(is_real, log_probs, 0.0)
    return -(finite.exp() * finite * is_real).sum(dim=1)


def cross_entropy(log_probs: Float[Tensor, "N M"], targets: Float[Tensor, "N M"]) -> Float[Tensor, " N"]:
    """- sum_a target(a) log pi(a) of every row; an absent action (-inf) must have no weight, and adds nothing."""
    is_real = log_probs > -torch.inf
    return -(targets * torch.where(is_real, log_probs, 0.0)).sum(dim=1)


def expected_value(log_probs: Float[Tensor, "N M"], values: Float[Tensor, "N M"]) -> Float[Tensor, " N"]:
    """sum_a pi(a) Q(a) of every row, from log-probabilities; an absent action (-inf) adds nothing, nor to gradients."""
    is_real = log_probs > -torch.inf
    probs = torch.where(is_real, log_probs, 0.0).exp()
    return (probs * torch.where(is_real, values, 0.0)).sum(dim=1)
