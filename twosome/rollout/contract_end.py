"""What an environment may say at the end of an episode: return, length, success, and what it counted.

As in `contract.py`, a function here raises `Violation`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from twosome.rollout.contract import Violation, short

MOST_COUNTS, LONGEST, TALLIED = 100, 50, re.compile(r"[a-z][a-z0-9_]{0,40}")  # of a tally


def check_summary(info: Mapping[str, Any], discounted_return: float, length: int) -> tuple[float, int]:
    """Discounted return and length of an ended episode, by default as they were counted here."""
    given = info.get("episode", {"r": discounted_return, "l": length})
    try:
        found = float(_number(given["r"])), int(_number(given["l"]))
    except Exception:  # what others give for it may raise anything
        raise Violation(f"gave info['episode']={short(given)}, expected {{'r': return, 'l': steps}}") from None
    if not math.isfinite(found[0]):
        raise Violation(f"gave info['episode']['r']={found[0]}, expected a finite number")
    return found


def check_success(info: Mapping[str, Any], terminated: bool) -> bool:
    """Whether an ended episode reached the goal; by default where it terminated."""
    given = info.get("success", terminated)
    try:
        found = 0 if given is None else _number(given)
    except (TypeError, OverflowError):
        found = -1
    if found not in (0, 1):
        raise Violation(f"gave info['success']={short(given)}, expected true or false")
    return bool(found)


def check_tally(info: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    """What an ended episode counted, by name; by default nothing."""
    given = info.get("tally", {})
    try:
        found = tuple(sorted((name[:LONGEST], _number(value)) for name, value in given.items()))
    except Exception:  # what others give for it may raise anything
        found = (("", math.nan),)
    if len(found) > MOST_COUNTS or not all(TALLIED.fullmatch(name) and math.isfinite(value) for name, value in found):
        expected = f"at most {MOST_COUNTS} finite numbers by names of lower-case letters, digits and _"
        raise Violation(f"gave info['tally']={short(given)}, expected {expected}")
    return found


def _number(value: Any) -> float:
    """A number of Python or numpy, or an array of none but one. Raises `TypeError`."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if not isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)):
        raise TypeError
    return float(value)
