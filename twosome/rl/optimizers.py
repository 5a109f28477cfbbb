"""The optimisers, and their state as a checkpoint holds it: by parameter index, tensors only, checked before use."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from twosome.errors import NumericsError, counter, is_out_of_memory

if TYPE_CHECKING:
    from twosome.config.learners import OptimizerSettings

T = TypeVar("T")

LARGE_REWARD = 1e6  # squares and sums of more leave float32 sooner than any learning rate
ENTRIES = {"step", "exp_avg", "exp_avg_sq"}


def make_optimizer(parameters: Iterable[Tensor], settings: OptimizerSettings, eps: float) -> torch.optim.Optimizer:
    """AdamW at the settings' rate and weight decay; `eps` keeps its steps finite."""
    return torch.optim.AdamW(parameters, settings.learning_rate, eps=eps, weight_decay=settings.weight_decay)


def in_smaller_passes(
    optimizer: torch.optim.Optimizer, accumulate: Callable[[], T], halve_budget: Callable[[Exception], None]
) -> T:
    """What `accumulate` gives, which leaves its gradient in the parameters; again with half the budget out of memory.

    It is to be a function of its own, so that a failed pass leaves no tensor behind.
    """
    while True:
        optimizer.zero_grad(set_to_none=True)
        try:
            return accumulate()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            halve_budget(error)


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


class GuardedSteps:
    """Clips and takes optimiser steps. A NaN or infinity never reaches a weight: the step is skipped and counted.

    `most`: steps that may be skipped, by the setting `of_most`; `rates`: the settings of the learning rates; `rewards`:
    of the present rollout.
    """

    def __init__(self, max_gradient_norm: float, most: int, of_most: str, rates: str):
        self.max_gradient_norm, self.most, self.of_most, self.rates = max_gradient_norm, most, of_most, rates
        self.skipped = 0
        self.rewards = torch.zeros(1)

    def __call__(self, optimizer: torch.optim.Optimizer, loss: float) -> float:
        """One step. Returns the gradient's norm before clipping. Raises `NumericsError` after `most` skipped ones."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.max_gradient_norm)
        if torch.isfinite(norm) and math.isfinite(loss):
            optimizer.step()
        else:
            self.skip()
        optimizer.zero_grad(set_to_none=True)
        return norm.item()

    def skip(self) -> None:
        """Count a step that was not taken. Raises `NumericsError` after `most`."""
        self.skipped += 1
        if self.skipped >= self.most:
            raise NumericsError(
                f"{self.skipped} optimiser steps met a NaN or infinity and were skipped; {self.of_most}={self.most}. "
                f"No weight was touched by them. {remedy(self.rewards, self.rates)}."
            )

    def load(self, skipped: object) -> None:
        """Bring the count back. Raises `ValueError` for what is none."""
        self.skipped = counter(skipped, "bad_updates")


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
