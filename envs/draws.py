"""Draws by the uniform numbers of `random.Random` alone, whose sequence Python promises to keep."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def pick(rng: random.Random, things: Sequence[T]) -> T:
    """One of some things, each as likely."""
    return things[int(rng.random() * len(things))]


def shuffled(rng: random.Random, things: Iterable[T]) -> list[T]:
    """The things in a random order."""
    return sorted(things, key=lambda _: rng.random())
