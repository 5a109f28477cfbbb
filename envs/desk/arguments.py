"""Checks of the desk's arguments."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..agent.advisers import Adviser, Function, Person, made, named
from ..agent.csv_table import read_csv
from ..arguments import unknown
from .groups import Source, source

ADVISERS = ("oracle", "human")
OTHERS = " Or module:function, a function, {kind: endpoint, ...}, {kind: function, ...}."
MOST_COSTS = 100


def adviser_of(adviser: object, patience: float | None) -> Adviser | None:
    """Whom to ask; None for the oracle. Raises `ValueError`."""
    if callable(adviser):
        return Function(adviser, patience)
    if isinstance(adviser, Mapping):
        return made(adviser, patience)
    if isinstance(adviser, str) and ":" in adviser:
        return Function(named(adviser), patience)
    if not isinstance(adviser, str) or adviser not in ADVISERS:
        raise ValueError(unknown("adviser", adviser, ADVISERS) + OTHERS)
    return Person(patience) if adviser == "human" else None


def table(value: object, material: str) -> Source | None:
    """The user's table; None for that of the session, or none. Raises `TypeError`, `ValueError`."""
    if not isinstance(value, (bool, str, Path)):
        raise TypeError(f"table={value!r}, expected true, false or the path of a CSV file.")
    return None if isinstance(value, bool) else source(read_csv(value), material)


def one_of(name: str, value: object, known: Iterable[str]) -> str:
    """The value, if it is one of those that are known. Raises `ValueError`."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(unknown(name, value, known))
    return value


def costs(cost: object) -> tuple[float, ...]:
    """The prices of asking. Raises `TypeError`, `ValueError`."""
    if isinstance(cost, Sequence) and not isinstance(cost, (str, bytes)):
        if not 1 <= len(cost) <= MOST_COSTS:
            raise ValueError(f"cost holds {len(cost)} prices, expected 1 to {MOST_COSTS}.")
        return tuple(number("cost", one) for one in cost)
    return (number("cost", cost),)


def number(name: str, value: object, most: float = math.inf) -> float:
    """The value, if it is a finite number from 0 to `most`. Raises `TypeError`, `ValueError`."""
    what = "a finite number of 0 or more" if most == math.inf else f"a number from 0 to {most:g}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={value!r}, expected {what}.")
    number = float(value)
    if not math.isfinite(number) or not 0 <= number <= most:
        raise ValueError(f"{name}={value}, expected {what}.")
    return number
