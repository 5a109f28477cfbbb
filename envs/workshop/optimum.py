"""The best return of an instance, and that of always taking what looks cheapest."""

from __future__ import annotations

import functools
import math

from .instances import instance
from .recipes import FIRST_JOB
from .rules import GIVE_UP, State, advance, estimate, has_succeeded, legal, start

COST = 0.03
"""Reward lost per unit of price; finishing the order brings 1."""


def optimum(number: int) -> float:
    """The best return of an instance, by exact search (`instances.least_price`)."""
    return max(0.0, 1.0 - COST * instance(number).cheapest)


def cheapest_looking(state: State) -> int:
    """The action of the greedy rule: do every job, split in the way of the least estimate, give up if there is none."""
    task = state.stack[-1][0]
    if task >= FIRST_JOB:
        return 0
    ways = state.instance.ways[task]
    prices = [sum(estimate(state, part) for part in way) for way in ways]
    prices = [price if ok else math.inf for price, ok in zip(prices, legal(state), strict=False)]
    best = min(range(len(ways)), key=prices.__getitem__)
    return GIVE_UP if math.isinf(prices[best]) else best


@functools.lru_cache(maxsize=4096)
def greedy(number: int) -> float:
    """The return of the greedy rule."""
    state, paid = start(number), 0
    while state.stack:
        state, price = advance(state, cheapest_looking(state))
        paid += price
    return float(has_succeeded(state)) - COST * paid
