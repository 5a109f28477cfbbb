"""Evaluate a policy: episodes, discounted return, success, each with an interval. `twosome-eval` is its command."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from twosome.types import EnvironmentFault, Episode, Policy

if TYPE_CHECKING:
    from twosome.config import EnvSettings

EVALUATION_STREAM = 1_000_003  # keeps the seeds of evaluation episodes apart from those of training


def run_episodes(
    policy: Policy, env: EnvSettings, template: str, episodes: int, *, greedy: bool, seed: int, parallel: int = 8
) -> list[Episode]:
    """Play whole episodes, `parallel` worlds at a time; equal decisions meet in one forward pass or in the reuse."""
    import torch

    from twosome.rollout import World, choose

    generator = None if greedy else torch.Generator().manual_seed(seed)
    worlds = [World(env, template, seed + EVALUATION_STREAM, b) for b in range(min(parallel, episodes))]
    waiting = episodes - len(worlds)
    for world in worlds:
        world.reset()
    finished: list[Episode] = []
    while worlds:
        log_probs = policy.log_probs([w.decision for w in worlds])
        going = []
        for world, position in zip(worlds, choose(log_probs, generator), strict=True):
            *_, episode = world.step(position)
            if episode is None:
                going.append(world)
                continue
            finished.append(episode)
            if waiting:
                waiting -= 1
                world.reset()
                going.append(world)
            else:
                world.env.close()
        worlds = going
    return finished


def summarize(episodes: list[Episode], seed: int = 0) -> dict[str, Any]:
    """Means with 95 % intervals: Wilson for the success rate, percentile bootstrap for the return."""
    returns = [e.discounted_return for e in episodes]
    n, wins = len(episodes), sum(e.success for e in episodes)
    return {
        "episodes": n,
        "return_mean": sum(returns) / n,
        "return_interval": bootstrap_interval(returns, seed),
        "success_rate": wins / n,
        "success_interval": wilson_interval(wins, n),
        "length_mean": sum(e.length for e in episodes) / n,
        "decisions_mean": sum(e.decisions for e in episodes) / n,
    }


def wilson_interval(wins: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927).

    >>> [round(x, 4) for x in wilson_interval(9, 10)]
    [0.5958, 0.9821]
    """
    centre = (wins + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(wins * (n - wins) / n + z * z / 4)
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap_interval(values: list[float], seed: int = 0, resamples: int = 2000) -> tuple[float, float]:
    """95 % percentile bootstrap of the mean."""
    import numpy as np

    data = np.asarray(values)
    if (data == data[0]).all():
        return float(data[0]), float(data[0])
    picks = np.random.default_rng(seed).integers(0, len(data), (resamples, len(data)))
    low, high = np.quantile(data[picks].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def evaluate(policy: Policy, env: EnvSettings, template: str, episodes: int, seed: int) -> dict[str, dict[str, Any]]:
    """Greedy and sampled evaluation: `{"greedy": {...}, "sampled": {...}}`, see `summarize`."""
    result = {}
    for name, greedy in (("greedy", True), ("sampled", False)):
        result[name] = summarize(run_episodes(policy, env, template, episodes, greedy=greedy, seed=seed), seed)
    return result
