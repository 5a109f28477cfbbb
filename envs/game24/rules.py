"""The moves of the game of 24: two numbers become one. Exact fractions, no words."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations
from typing import NamedTuple

TARGET = 24

Numbers = tuple[Fraction, ...]
"""The numbers left, in ascending order."""

MOST_MOVES = 30
"""Moves with four different numbers: 6 pairs with a sum, a difference, a product and two quotients each."""


class Move(NamedTuple):
    """Two numbers become one: `first sign second = result`, and `left` afterwards."""

    first: Fraction
    sign: str
    second: Fraction
    result: Fraction
    left: Numbers


def moves(numbers: Numbers) -> tuple[Move, ...]:
    """The moves, one for each different `left`: of two with equal numbers left, the first counts.

    A quotient may be a fraction. Nothing is divided by zero, and the smaller number is subtracted from the larger one:
    numbers below zero make no other hand solvable, since differences can be turned round until there are none.
    """
    found: dict[Numbers, Move] = {}
    for i, j in combinations(range(len(numbers)), 2):
        rest = [number for k, number in enumerate(numbers) if k not in (i, j)]
        for first, sign, second, result in _results(numbers[j], numbers[i]):
            left = tuple(sorted([*rest, result]))
            found.setdefault(left, Move(first, sign, second, result, left))
    return tuple(found.values())


def _results(large: Fraction, small: Fraction) -> Iterator[tuple[Fraction, str, Fraction, Fraction]]:
    yield large, "+", small, large + small
    yield large, "-", small, large - small
    yield large, "*", small, large * small
    if small:
        yield large, "/", small, large / small
    if large:
        yield small, "/", large, small / large
