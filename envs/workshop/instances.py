"""The instances: what is ordered, which ways there are, what jobs cost and what is missing, generated from a number."""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass

from .recipes import FIRST_JOB, JOBS, THINGS, WAYS

N_TRAIN, N_TEST = 800, 200
"""Instances to train on, numbered from 0, and to test on, numbered from there."""

SPLITS: dict[str, range] = {
    "train": range(N_TRAIN),
    "test": range(N_TRAIN, N_TRAIN + N_TEST),
    "all": range(N_TRAIN + N_TEST),
}

MOST_WAYS = 3
"""Ways to split a task, at most."""

KEPT = 0.8
"""Probability that an instance has one of the ways of a task; at least one is kept."""


@dataclass(frozen=True)
class Instance:
    """One order, immutable.

    thing: the task that is ordered; ways: the ways of every task; prices: what every job costs, 0 for other tasks;
    lacking: the jobs that will fail, because what they need is missing; cheapest: the least price of the order.
    """

    thing: int
    ways: tuple[tuple[tuple[int, int], ...], ...]
    prices: tuple[int, ...]
    lacking: frozenset[int]
    cheapest: int


@functools.lru_cache(maxsize=4096)
def instance(number: int) -> Instance:
    """The instance with this number: the first draw that can be made and that holds a choice.

    Uses nothing but the uniform numbers of `random.Random`, whose sequence Python promises to keep.
    """
    rng = random.Random(f"workshop {number}")
    while True:
        found = _draw(rng)
        if found is not None:
            return found


def _draw(rng: random.Random) -> Instance | None:
    """An instance; None where the order cannot be made."""
    thing = int(rng.random() * len(THINGS))
    ways = tuple(_kept(rng, all_ways) for all_ways in WAYS)
    prices, lacking = [0] * FIRST_JOB, set()
    for job, (_, kind) in enumerate(JOBS.values(), FIRST_JOB):
        prices.append(kind.lowest + int(rng.random() * (kind.highest - kind.lowest + 1)))
        if rng.random() < kind.missing:
            lacking.add(job)
    cheapest = least_price(thing, ways, tuple(prices), frozenset(lacking))
    return None if math.isinf(cheapest) else Instance(thing, ways, tuple(prices), frozenset(lacking), int(cheapest))


def _kept(rng: random.Random, ways: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    draws = [rng.random() for _ in ways]
    return tuple(way for way, draw in zip(ways, draws, strict=True) if draw < max(KEPT, min(draws) + 1e-9))


def least_price(
    thing: int, ways: tuple[tuple[tuple[int, int], ...], ...], prices: tuple[int, ...], lacking: frozenset[int]
) -> float:
    """The least price of a thing, infinite where it cannot be made; what is at hand once serves every use.

    Search over (tasks still to be made, tasks made) by dynamic programming. Trying a job that will fail, or giving up a
    task, saves nothing, so neither is considered; a test compares with a search that considers both.
    """
    known: dict[tuple[tuple[int, ...], int], float] = {}

    def best(todo: tuple[int, ...], done: int) -> float:
        """The least price of what is on a stack; ~task only says that a task is made."""
        while todo and (todo[-1] < 0 or done >> todo[-1] & 1):
            done |= 1 << ~todo[-1] if todo[-1] < 0 else 0
            todo = todo[:-1]
        if not todo:
            return 0.0
        if (todo, done) not in known:
            *rest, task = todo
            if task >= FIRST_JOB:
                price = math.inf if task in lacking else prices[task] + best(tuple(rest), done | 1 << task)
            else:
                price = min(best((*rest, ~task, second, first), done) for first, second in ways[task])
            known[todo, done] = price
        return known[todo, done]

    return best((thing,), 0)
