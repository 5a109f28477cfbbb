"""Constraints of single settings, which stand beside their fields in `schema`, and the walk that checks them."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from twosome.config.names import RENAMED_VALUES, near
from twosome.errors import ConfigError, brief


class Constraint(NamedTuple):
    """`expected`: what a value must be, in words; `holds`: whether it is; `choices`: if it is a name, the names."""

    expected: str
    holds: Callable[[Any], bool]
    choices: tuple[str, ...] = ()


def setting(*constraints: Constraint, default: Any = dataclasses.MISSING) -> Any:
    """A field of a schema with its constraints. `None` passes all of them.

    `default`: only for a setting that came later than saved runs: the value that leaves them as they were. All other
    numbers have their home in `conf/`.
    """
    return dataclasses.field(default=default, metadata={"constraints": constraints})


def is_finite(x: float) -> bool:
    """Whether a number is one that a float holds: no NaN, no infinity, no integer beyond."""
    return abs(x) <= sys.float_info.max


def above(low: float) -> Constraint:
    """A finite number above `low`."""
    return Constraint(f"a finite number above {low:g}", lambda x: is_finite(x) and x > low)


def at_least(low: float, why: str = "") -> Constraint:
    """A finite number of `low` or more."""
    expected = f"{low:g} or more: {why}" if why else f"a finite number, {low:g} or more"
    return Constraint(expected, lambda x: is_finite(x) and x >= low)


def at_most(high: float) -> Constraint:
    """A number of `high` at most."""
    return Constraint(f"at most {high:.10g}", lambda x: x <= high)


def below(high: float, why: str) -> Constraint:
    """A number below `high`."""
    return Constraint(f"less than {high:g}: {why}", lambda x: x < high)


def finite() -> Constraint:
    """Any number but a NaN or an infinity."""
    return Constraint("a finite number", is_finite)


def fraction() -> Constraint:
    """A number from 0 to 1."""
    return Constraint("a number from 0 to 1", lambda x: is_finite(x) and 0 <= x <= 1)


def one_of(*choices: str) -> Constraint:
    """One of some names; of a list, every entry."""
    return Constraint(f"one of {', '.join(choices)}", lambda x: x in choices, choices)


def check_fields(settings: Any, prefix: str = "") -> None:
    """Check every constraint of a dataclass and of those inside it. Raises `ConfigError` naming the key."""
    for key, value, constraints in _constrained(settings, prefix):
        for constraint in constraints:
            for entry in value if isinstance(value, list) else [value]:
                if not constraint.holds(entry):
                    _refuse(key, value, entry, constraint)


def refuse(key: str, value: object, expected: str) -> None:
    """Raise the `ConfigError` of a value that cannot work."""
    raise ConfigError(f"{key}={brief(value)} cannot work: expected {expected}.")


def _constrained(settings: Any, prefix: str) -> Iterator[tuple[str, Any, tuple[Constraint, ...]]]:
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from _constrained(value, f"{prefix}{field.name}.")
        elif value is not None:
            yield f"{prefix}{field.name}", value, field.metadata.get("constraints", ())


def _refuse(key: str, value: object, entry: object, constraint: Constraint) -> None:
    if not constraint.choices:
        refuse(key, value, constraint.expected)
    if new := RENAMED_VALUES.get((key, str(entry))):  # in a file of the user's own, where it cannot be replaced
        raise ConfigError(f"{key}={entry!r} is now {new!r}: rename it in your file.")
    known = f"{near(str(entry), constraint.choices)} Known: {', '.join(constraint.choices)}."
    if isinstance(value, list):
        raise ConfigError(f"{key} holds {entry!r}.{known}")
    raise ConfigError(f"{key}={entry!r} is unknown.{known}")
