"""Checks of the desk's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..agent.advisers import Adviser, Function, Person, made, named
from ..agent.csv_table import read_csv
from ..arguments import number, numbers_of, one_of, unknown
from .groups import Source, source

__all__ = ["ADVISERS", "adviser_of", "number", "numbers_of", "one_of", "table"]

ADVISERS = ("oracle", "human")
OTHERS = " Or module:function, a function, {kind: endpoint, ...}, {kind: function, ...}."


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
