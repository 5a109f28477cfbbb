"""A rollout whose numbers say where they come from, and a policy that knows nothing."""

import math
from types import SimpleNamespace

import pytest
import torch

from twosome.types import Decision, Rollout


class Uniform:
    def log_probs(self, decisions):
        return [torch.full((len(d.menu),), -math.log(len(d.menu))) for d in decisions]

    def values(self, states):
        return torch.zeros(len(states))


@pytest.fixture
def uniform() -> Uniform:
    return Uniform()


@pytest.fixture
def rollout_of():
    """`rollout_of(spoilt=[(t, b)])`: six steps of three worlds; step t of world b has the reward 3 t + b."""

    def make(spoilt=()) -> Rollout:
        n_steps, n_worlds = 6, 3
        is_real = torch.ones(n_steps, n_worlds, dtype=torch.bool)
        for place in spoilt:
            is_real[place] = False
        menu = ("left", "right")
        return Rollout(
            decisions=[[Decision.plain(f"state {t} {b}", menu) for b in range(n_worlds)] for t in range(n_steps)],
            next_states=[["" for _ in range(n_worlds)] for _ in range(n_steps)],
            distributions=[[torch.zeros(2) for _ in range(n_worlds)] for _ in range(n_steps)],
            actions=torch.ones(n_steps, n_worlds, dtype=torch.long),
            log_probs=torch.zeros(n_steps, n_worlds),
            rewards=torch.arange(n_steps * n_worlds, dtype=torch.float32).view(n_steps, n_worlds),
            discounts=torch.ones(n_steps, n_worlds),
            terminated=torch.zeros(n_steps, n_worlds, dtype=torch.bool),
            truncated=torch.zeros(n_steps, n_worlds, dtype=torch.bool),
            is_real=is_real,
            episodes=[],
        )

    return make


@pytest.fixture
def samples_of():
    """Stands for an update's samples: the real ones of a rollout in a row, value = reward, advantage = -reward."""

    def make(rollout: Rollout) -> SimpleNamespace:
        is_real = rollout.is_real.flatten()
        decisions = [d for row in rollout.decisions for d in row]
        values = rollout.rewards.flatten()[is_real]
        kept = [d for d, real in zip(decisions, is_real.tolist(), strict=True) if real]
        return SimpleNamespace(decisions=kept, values=values, advantages=-values)

    return make
