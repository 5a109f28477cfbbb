"""Uniform over the menu: the floor of every table."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from twosome.systems.baselines.common import Baseline
from twosome.types import Decision, Menu, Observation


class RandomPolicy(Baseline):
    """Every legal action alike. Its greedy form takes the first of the menu."""

    reads = "text"

    def decide(self, observation: Observation, menu: Menu) -> Decision:
        """The menu is all that matters."""
        return Decision.plain(observation["scene"], menu.phrases)

    def log_probs(self, decisions: list[Decision]) -> list[Tensor]:
        """- log A for every action."""
        return [torch.full((len(d.menu),), -math.log(len(d.menu))) for d in decisions]

    def values(self, states: list[str]) -> Tensor:
        """It expects nothing: zeros [N]."""
        return torch.zeros(len(states))
