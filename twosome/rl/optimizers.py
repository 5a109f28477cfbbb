"""The optimisers, and their state as a checkpoint holds it: by parameter index, tensors only, checked before use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from twosome.config.learners import OptimizerSettings

LARGE_REWARD = 1e6  # squares and sums of more leave float32 sooner than any learning rate
ENTRIES = {"step", "exp_avg", "exp_avg_sq"}


def make_optimizer(parameters: Iterable[Tensor], settings: OptimizerSettings, eps: float) -> torch.optim.Optimizer:
    """AdamW at the settings' rate and weight decay; `eps` keeps its steps finite."""
    return torch.optim.AdamW(parameters, settings.learning_rate, eps=eps, weight_decay=settings.weight_decay)


class LastStep:
    """The weights before an optimiser's last step, to shorten it where it led too far."""

    def __init__(self, optimizer: torch.optim.Optimizer):
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.before: list[Tensor] = []
        self.kl = 0.0

    def keep(self, kl: float) -> None:
        """Before a step: the weights, and how far they are from the old policy."""
        self.before, self.kl = [p.detach().clone() for p in self.parameters], kl

    def shorten(self, kl: float, target: float) -> None:
        """Take the last step back as far as it led beyond `target`: the root of the KL grows with its length."""
        if self.before:
            start = min(max(self.kl, 0.0), target) ** 0.5  # rounding makes a KL of 0 negative
            share = (target**0.5 - start) / (kl**0.5 - start)
            with torch.no_grad():
                for parameter, old in zip(self.parameters, self.before, strict=True):
                    parameter.copy_(old.lerp(parameter, share))


def remedy(rewards: Tensor, rates: str) -> str:
    """What to do about steps that met a NaN or an infinity. `rewards`: of the rollout; `rates`: the settings' names."""
    largest = float(rewards.abs().max())
    if not largest < LARGE_REWARD:
        return f"The environment's rewards are as large as {largest:.3g}: scale them to about 1"
    return f"Lower the learning rates ({rates}) or use model.dtype=float32"


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    """The moments and step counts: {index of the parameter: {entry: tensor}}. Rates are set at every update."""
    state = optimizer.state_dict()["state"]
    return {
        str(index): {key: torch.as_tensor(value) for key, value in entries.items()} for index, entries in state.items()
    }


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, dict[str, Any]]) -> None:
    """The inverse of `optimizer_state`. Raises `ValueError` where it does not fit the optimiser's parameters."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    known = {str(index): index for index in range(len(parameters))}
    entries = {known[index]: dict(values) for index, values in state.items()}
    for index, values in entries.items():
        if values.keys() != ENTRIES:
            raise ValueError(f"the state of parameter {index} is not that of AdamW: it holds {sorted(values)}")
        for key, value in values.items():
            shape = torch.Size() if key == "step" else parameters[index].shape
            is_good = value.is_floating_point() and value.shape == shape and torch.isfinite(value).all()
            if not is_good or (key != "exp_avg" and (value < 0).any()):  # counts and squares
                raise ValueError(
                    f"{key} of parameter {index} is {value.dtype} of shape {tuple(value.shape)}, expected finite "
                    f"numbers of shape {tuple(shape)}, below 0 in exp_avg alone"
                )
    optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
