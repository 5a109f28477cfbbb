"""Evaluate a policy: whole episodes, their discounted return and success, each with an interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from twosome.protocols import Policy
from twosome.rollout.checked_env import World
from twosome.rollout.driver import Deliberation, Tolerance, drive
from twosome.rollout.situation import Wrap, tally_mean
from twosome.rollout.workers import Workers
from twosome.types import Episode

if TYPE_CHECKING:
    from twosome.config.schema import EnvSettings

EVALUATION_STREAM = 1_000_003  # keeps the seeds of evaluation episodes apart from those of training
TOGETHER = 8  # worlds played at a time
AT_A_TIME = 2**20  # values that the bootstrap draws at once: 8 MiB, however many episodes there are


def run_episodes(
    policy: Policy,
    env: EnvSettings,
    episodes: int,
    *,
    greedy: bool,
    seed: int,
    wrap: Wrap | None = None,
    tolerance: Tolerance | None = None,
    deliberate: Deliberation | None = None,
    workers: Workers | None = None,
) -> list[Episode]:
    """Play whole episodes, some worlds at a time; equal decisions meet in one forward pass or in the cache.

    `tolerance`: which share of episodes a faulty environment may spoil; those are replaced by others. `wrap`: puts a
    gymnasium wrapper around the environment. `workers`: puts every world in a process of its own.
    """
    generator = None if greedy else torch.Generator().manual_seed(seed)
    tolerance = tolerance or Tolerance()
    worlds: list[World] = []
    waiting = max(0, episodes - TOGETHER)
    finished: list[Episode] = []
    going = worlds
    try:
        if workers is not None:
            workers.prepare(min(TOGETHER, episodes))
        for b in range(min(TOGETHER, episodes)):
            worlds.append(World(env, policy, seed + EVALUATION_STREAM, b, wrap, workers=workers))
        for world in worlds:
            tolerance.restart(world)
        while going:
            still = []
            for world, *_, step in drive(going, policy, generator, tolerance, deliberate):
                if step is not None and step.episode is not None:
                    finished.append(step.episode)
                    if not waiting:
                        continue
                    waiting -= 1
                    tolerance.restart(world)
                still.append(world)
            going = still
    finally:
        for world in worlds:
            world.close()
    return finished


def evaluate(
    policy: Policy,
    env: EnvSettings,
    episodes: int,
    seed: int,
    *,
    wrap: Wrap | None = None,
    tolerance: Tolerance | None = None,
    deliberate: Deliberation | None = None,
    workers: Workers | None = None,
) -> dict[str, dict[str, Any]]:
    """Greedy and sampled evaluation: `{"greedy": {...}, "sampled": {...}}`, see `summarize`."""
    result = {}
    how: dict[str, Any] = {"wrap": wrap, "tolerance": tolerance, "deliberate": deliberate, "workers": workers}
    for name, greedy in (("greedy", True), ("sampled", False)):
        played = run_episodes(policy, env, episodes, greedy=greedy, seed=seed, **how)
        result[name] = summarize(played, seed)
    return result


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
        **({"tally_mean": tally} if (tally := tally_mean(episodes)) else {}),
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
    data = np.asarray(values)
    if (data == data[0]).all():
        return float(data[0]), float(data[0])
    generator, rows = np.random.default_rng(seed), max(1, AT_A_TIME // len(data))
    means = [
        data[generator.integers(0, len(data), (min(rows, resamples - done), len(data)))].mean(axis=1)
        for done in range(0, resamples, rows)
    ]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(low), float(high)
