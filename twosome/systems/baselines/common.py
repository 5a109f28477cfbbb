"""What a policy without a language model answers where the trainer asks for one."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from twosome import files, tensor_files
from twosome.errors import INVALID_CONTENT, CheckpointError, MenuError, brief
from twosome.protocols import Policy, StateDict
from twosome.rollout.driver import act
from twosome.types import Decision, Menu, Observation


class Baseline:
    """A policy that reads numbers: states are the observation's `vector`, menus action indices, both as text."""

    reads: Literal["text", "numbers"] = "numbers"
    is_fixed = True  # the shape of its weights

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def decide(self, observation: Observation, menu: Menu) -> Decision:
        """The decision of a state. Raises `MenuError` where the observation holds no finite numbers."""
        try:
            numbers = [float(x) for x in observation["vector"]]
        except (TypeError, ValueError, KeyError):
            raise MenuError("it holds no numeric observation `vector`, which this method reads") from None
        if not all(map(math.isfinite, numbers)):
            raise MenuError("its observation `vector` holds a NaN or an infinity")
        return Decision.plain(" ".join(map(str, numbers)), tuple(map(str, menu.indices)))

    def act(
        self: Policy, observation: Observation, info: Mapping[str, Any], *, generator: torch.Generator | None = None
    ) -> int:
        """The action of a state, as `env.step` takes it, like that of a language model's policy. Raises `MenuError`."""
        return act(self, observation, info, generator)

    def clear_cache(self) -> None:
        """Nothing is cached."""

    def describe_scorer(self) -> dict[str, Any]:
        """No scorer, and why."""
        return {"name": "none", "why": f"{type(self).__name__} reads {self.reads}"}

    def weights(self) -> dict[str, dict[str, Tensor]]:
        """What is needed to use the policy, by file name."""
        return {}

    def set_weights(self, weights: dict[str, dict[str, Tensor]]) -> None:
        """The inverse of `weights`."""

    def save_weights(self, folder: Path) -> None:
        """Write the weights as safetensors. Raises `CheckpointError`."""
        for name, tensors in self.weights().items():
            tensor_files.write_tensors(folder / f"{name}.safetensors", tensors)

    def load_weights(self, folder: Path) -> None:
        """Read what `save_weights` wrote. Raises `CheckpointError` where it does not fit."""
        loaded = {}
        for name, tensors in self.weights().items():
            shapes = {key: tensor.shape for key, tensor in tensors.items()} if self.is_fixed else None
            path = folder / f"{name}.safetensors"
            files.regular_size(path, files.LARGEST_TENSORS if self.is_fixed else files.LARGEST_JSON)
            loaded[name] = tensor_files.read_finite_tensors(path, shapes)
        try:
            self.set_weights(loaded)
        except INVALID_CONTENT as error:
            raise CheckpointError(
                f"The tensors in {folder} do not fit the policy of its config.yaml: {brief(error)}"
            ) from error

    def state_dict(self) -> StateDict:
        """Nothing beside the weights."""
        return {}

    def load_state_dict(self, state: StateDict) -> None:
        """Nothing to bring back."""


def numbers(states: list[str]) -> Tensor:
    """States of a policy that reads numbers -> float32 [N, size]."""
    return torch.tensor([_row(state) for state in states])


@functools.lru_cache(maxsize=1 << 16)
def _row(state: str) -> tuple[float, ...]:
    return tuple(float(x) for x in state.split())
