"""Advantages from rewards, values and per-step discounts. Pure; knows nothing of models or environments."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def gae(
    rewards: Float[Tensor, "T B"],
    values: Float[Tensor, "T B"],
    next_values: Float[Tensor, "T B"],
    discounts: Float[Tensor, "T B"],
    terminated: Bool[Tensor, "T B"],
    truncated: Bool[Tensor, "T B"],
    lam: float | Float[Tensor, "T B"],
) -> tuple[Float[Tensor, "T B"], Float[Tensor, "T B"]]:
    """Generalised advantage estimates (Schulman et al. 2016, eq. 16) and value targets, both [T, B].

        delta_t = r_t + d_t (1 - terminated_t) V(s'_t) - V(s_t)                d_t = gamma^duration_t
        A_t     = delta_t + d_t lam (1 - end_t) A_{t+1}                        end = terminated or truncated
        target  = A_t + V(s_t)

    `next_values` is the value after the step before any reset: at a truncation that of the final observation, which is
    bootstrapped. `lam` may be one number for every step. To treat a timeout as terminal, as published, pass
    `terminated | truncated` as `terminated`.
    """
    delta = rewards + discounts * ~terminated * next_values - values
    carry = discounts * lam * ~(terminated | truncated)
    advantages = torch.empty_like(delta)
    following = torch.zeros_like(delta[0])
    for t in reversed(range(len(delta))):
        following = delta[t] + carry[t] * following
        advantages[t] = following
    return advantages, advantages + values


def group_advantages(returns: Float[Tensor, "N"], groups: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    """Critic-free advantages: each return minus the mean over the samples of its group (equal states), GiGPO-style."""
    names, index = torch.unique(groups, return_inverse=True)
    n = len(names)
    count = returns.new_zeros(n).index_add(0, index, torch.ones_like(returns))
    mean = returns.new_zeros(n).index_add(0, index, returns) / count
    return returns - mean[index]
