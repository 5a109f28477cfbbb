"""Plays what the worlds demonstrate, and has it learnt: the policy watches.

It is a `rollout.driver.Deliberation`, as a planner is, with the world in the place of a search.
"""

from __future__ import annotations

import torch
from torch import Tensor

from twosome.agents.planner import NEVER
from twosome.errors import EnvironmentFault
from twosome.protocols import Choice
from twosome.rollout.checked_env import World
from twosome.rollout.demonstration import demonstrated
from twosome.types import Decision


def demonstrate(
    worlds: list[World], decisions: list[Decision], log_probs: list[Tensor]
) -> list[Choice | EnvironmentFault]:
    """For every world what it demonstrates, to play and to learn; or its fault in that."""
    return [_choice(world, row) for world, row in zip(worlds, log_probs, strict=True)]


def _choice(world: World, log_probs: Tensor) -> Choice | EnvironmentFault:
    try:
        odds = torch.tensor(demonstrated(world), dtype=log_probs.dtype)
    except EnvironmentFault as fault:
        return fault
    return Choice(torch.where(odds > 0, odds.log(), torch.tensor(NEVER)), odds)
