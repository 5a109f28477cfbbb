"""The hands of four numbers from 1 to 9: which can make 24, and which of these are kept for testing."""

from __future__ import annotations

import functools
import hashlib
from itertools import combinations_with_replacement

from ..arguments import unknown

Hand = tuple[int, ...]
"""Four numbers from 1 to 9 in ascending order."""

SPLITS = ("train", "test", "all")

N_TEST = 80
"""Solvable hands that are kept for testing, of 404."""

UNSOLVABLE = """
1111 1112 1113 1114 1115 1116 1117 1119 1122 1123 1124 1125 1133 1159 1167 1177 1178 1179 1189 1199 1222 1223 1299 1355
1499 1557 1558 1577 1667 1677 1678 1777 1778 1899 1999 2222 2226 2279 2299 2334 2555 2556 2599 2677 2777 2779 2799 2999
3358 3467 3488 3555 3577 4459 4466 4467 4499 4779 4999 5557 5558 5569 5579 5777 5778 5799 5899 5999 6667 6677 6678 6699
6777 6778 6779 6788 6999 7777 7778 7779 7788 7789 7799 7888 7899 7999 8888 8889 8899 8999 9999
"""
"""The 91 of the 495 hands that cannot make 24; exhaustive search finds the same (tests/envs/test_game24.py)."""


@functools.cache
def solvable() -> tuple[Hand, ...]:
    """The 404 hands that can make 24, in ascending order."""
    unsolvable = {tuple(map(int, digits)) for digits in UNSOLVABLE.split()}
    return tuple(hand for hand in combinations_with_replacement(range(1, 10), 4) if hand not in unsolvable)


@functools.cache
def split(name: str) -> tuple[Hand, ...]:
    """The hands of a split in ascending order: 324 to train on, 80 to test on, all 404.

    To test on are those with the smallest SHA-256 digest of their digits, such as `1234`.

    Raises:
        ValueError: a name that does not exist.
    """
    if name not in SPLITS:
        raise ValueError(unknown("split", name, SPLITS))
    if name == "all":
        return solvable()
    by_digest = sorted(solvable(), key=lambda hand: hashlib.sha256("".join(map(str, hand)).encode()).hexdigest())
    return tuple(sorted(by_digest[:N_TEST] if name == "test" else by_digest[N_TEST:]))
