"""What a policy without a language model answers where the trainer asks for one: nothing to save, nothing to forget."""

from __future__ import annotations

import functools
from collections import Counter, OrderedDict
from typing import Any

import torch
from torch import Tensor


class Baseline:
    """A policy that reads numbers: prompts are the observation's `vector`, menus are action indices, both as text."""

    view = "numbers"
    token_budget = 0
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def forget(self) -> None:
        """There is nothing to forget."""

    def feature_cache(self) -> OrderedDict[str, Tensor]:
        return OrderedDict()

    def describe_scorer(self) -> dict[str, Any]:
        return {"name": "none", "why": f"{type(self).__name__} reads numbers"}

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        return {}

    def load_tensors(self, tensors: dict[str, dict[str, Tensor]]) -> None:
        assert not tensors


def numbers(prompts: list[str]) -> Tensor:
    """Prompts of the view `numbers` -> float32 [N, size]."""
    return torch.tensor([_row(p) for p in prompts])


@functools.lru_cache(maxsize=1 << 16)
def _row(prompt: str) -> tuple[float, ...]:
    return tuple(float(x) for x in prompt.split())
