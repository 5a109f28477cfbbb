"""What is scored: decisions and rollouts of an environment under uniform random play."""

from __future__ import annotations

import random
from typing import Any

import torch

from twosome.baselines.random import RandomPolicy
from twosome.rollout import Worlds, collect
from twosome.types import Decision, Rollout

LONGEST_SEARCH = 20_000  # decisions of random play after which an environment has shown what it has


def rollouts(cfg: Any, n: int) -> list[Rollout]:
    """`n` rollouts [T, B] one after another in the same worlds. The same for every scheme."""
    worlds = Worlds(cfg.env, cfg.policy.prompt, cfg.seed, cfg.num_envs)
    generator = torch.Generator().manual_seed(cfg.seed)
    return [collect(worlds, RandomPolicy(), cfg.rollout_steps, cfg.env.gamma, generator) for _ in range(n)]


def distinct_decisions(cfg: Any, n: int) -> list[Decision]:
    """At most `n` distinct decisions met by random play, in random order: nothing is there twice, so nothing can be reused."""
    worlds = Worlds(cfg.env, cfg.policy.prompt, cfg.seed, cfg.num_envs)
    generator = torch.Generator().manual_seed(cfg.seed)
    seen: dict[Decision, None] = {}
    played = 0
    while len(seen) < 4 * n and played < LONGEST_SEARCH:
        rollout = collect(worlds, RandomPolicy(), 64, cfg.env.gamma, generator)
        seen |= dict.fromkeys(d for row in rollout.decisions for d in row)
        played += rollout.actions.numel()
    found = list(seen)
    random.Random(cfg.seed).shuffle(found)
    return found[:n]
