"""Checks of what users pass in, and the messages that say what is wrong and what would be right."""

from __future__ import annotations

import difflib
import math
import numbers
import operator
from collections.abc import Iterable, Sequence
from typing import SupportsIndex

import numpy as np

MOST_NUMBERS = 100
"""Of a list."""


def unknown(what: str, got: object, known: Iterable[str]) -> str:
    """The message for a name that does not exist: what was given, the nearest known name, all known names."""
    names = {str(name).lower(): str(name) for name in known}
    near = difflib.get_close_matches(str(got).lower(), names, n=1)
    hint = f" Did you mean {names[near[0]]!r}?" if near else ""
    return f"Unknown {what} {got!r}.{hint} Known: {', '.join(map(repr, names.values()))}."


def missing(package: str, extra: str) -> str:
    """The message for an optional package that is not installed."""
    return f'This environment needs the package {package!r}, which is missing: pip install "twosome[{extra}]"'


def action_index(action: SupportsIndex, n: int) -> int | None:
    """An action as an integer from 0 to n - 1; None for anything else, a bool included."""
    try:
        index = None if isinstance(action, (bool, np.bool_)) else operator.index(action)
    except TypeError:
        return None
    return index if index is not None and 0 <= index < n else None


def one_of(name: str, value: object, known: Iterable[str]) -> str:
    """The value, if it is one of those that are known. Raises `ValueError`."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(unknown(name, value, known))
    return value


def number(name: str, value: object, most: float = math.inf) -> float:
    """The value, if it is a finite number from 0 to `most`. Raises `TypeError`, `ValueError`."""
    what = "a finite number of 0 or more" if most == math.inf else f"a number from 0 to {most:g}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={value!r}, expected {what}.")
    number = float(value)
    if not math.isfinite(number) or not 0 <= number <= most:
        raise ValueError(f"{name}={value}, expected {what}.")
    return number


def numbers_of(name: str, value: object) -> tuple[float, ...]:
    """A finite number of 0 or more, or a list of such, as a tuple. Raises `TypeError`, `ValueError`."""
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        if not 1 <= len(value) <= MOST_NUMBERS:
            raise ValueError(f"{name} holds {len(value)} numbers, expected 1 to {MOST_NUMBERS}.")
        return tuple(number(name, one) for one in value)
    return (number(name, value),)
