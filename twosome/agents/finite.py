"""Numbers of a model that are none: told with what was asked, and the remedy."""

from __future__ import annotations

import torch
from torch import Tensor

from twosome.errors import NumericsError
from twosome.types import Decision

REMEDY = (
    "Half precision overflowed or the adapter diverged: use model.dtype=bfloat16 or float32, or a lower "
    "ppo.actor.learning_rate, and go on from an earlier checkpoint."
)


def finite_log_probs(decision: Decision, log_probs: Tensor) -> Tensor:
    """The log-probabilities of a menu as they are. Raises `NumericsError` where one is a NaN or an infinity."""
    is_finite = torch.isfinite(log_probs)
    if not is_finite.all():
        worst = int((~is_finite).nonzero()[0])
        raise NumericsError(
            f"The model gives the log-probability {log_probs[worst].item()} to action {decision.menu[worst]!r} "
            f"after the prompt {decision.prompt!r}. {REMEDY}"
        )
    return log_probs


def finite_feature(state: str, feature: Tensor) -> Tensor:
    """The feature of a state as it is. Raises `NumericsError` likewise."""
    if not torch.isfinite(feature).all():
        raise NumericsError(f"The frozen model's state after {state!r} holds a NaN or an infinity. {REMEDY}")
    return feature


def finite_features(states: list[str], features: Tensor | None) -> Tensor:
    """The features of states as a checkpoint kept them, as they are. Raises `ValueError` for what is none."""
    if features is None:
        raise ValueError(f"no features for {len(states)} states")
    is_text = isinstance(states, list) and all(isinstance(state, str) for state in states)
    if not is_text or features.dim() != 2 or not torch.isfinite(features).all():
        raise ValueError(f"features of shape {tuple(features.shape)}, expected finite [N, H], one per text")
    return features
