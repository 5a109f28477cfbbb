"""Uniform over the menu: the floor of every table."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from twosome.baselines.common import Baseline
from twosome.types import Decision


class RandomPolicy(Baseline):
    """Every legal action alike. Its greedy form takes the first of the menu."""

    view = "text"  # it reads nothing, and every world has a text

    def log_probs(self, decisions: list[Decision]) -> list[Tensor]:
        return [torch.full((len(d.menu),), -math.log(len(d.menu))) for d in decisions]

    def values(self, prompts: list[str]) -> Tensor:
        return torch.zeros(len(prompts))
