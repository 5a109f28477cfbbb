"""What is scored: decisions and rollouts of an environment under uniform random play."""

from __future__ import annotations

import random

import torch

from twosome.agents.prompts import Prompter
from twosome.config.schema import TrainSettings
from twosome.rollout.collect import Worlds, collect
from twosome.systems.baselines.random import RandomPolicy
from twosome.types import Decision, Menu, Observation, Rollout

LONGEST_SEARCH = 20_000  # decisions of random play after which an environment has shown what it has


class RandomReader(RandomPolicy):
    """Plays at random, and makes the decisions that a language model would be asked."""

    def __init__(self, template: str):
        super().__init__()
        self.prompter = Prompter(template)

    def decide(self, observation: Observation, menu: Menu) -> Decision:
        """The decision of a state."""
        return self.prompter(observation, menu)


def rollouts(cfg: TrainSettings, n: int) -> list[Rollout]:
    """`n` rollouts [T, B] one after another in the same worlds. The same for every scheme."""
    worlds, generator = _worlds(cfg)
    return [collect(worlds, cfg.rollout_steps, generator) for _ in range(n)]


def distinct_decisions(cfg: TrainSettings, n: int) -> list[Decision]:
    """At most `n` distinct decisions met by random play, in random order.

    Nothing is there twice, so nothing can be reused.
    """
    worlds, generator = _worlds(cfg)
    seen: dict[Decision, None] = {}
    played = 0
    while len(seen) < 4 * n and played < LONGEST_SEARCH:
        rollout = collect(worlds, 64, generator)
        seen |= dict.fromkeys(d for row in rollout.decisions for d in row)
        played += rollout.actions.numel()
    found = list(seen)
    random.Random(cfg.seed).shuffle(found)
    return found[:n]


def _worlds(cfg: TrainSettings) -> tuple[Worlds, torch.Generator]:
    worlds = Worlds(cfg.env, RandomReader(cfg.policy.prompt), cfg.seed, cfg.num_envs)
    return worlds, torch.Generator().manual_seed(cfg.seed)
