"""Checks of what users pass in, and the messages that say what is wrong and what would be right."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable
from typing import SupportsIndex

import numpy as np


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
