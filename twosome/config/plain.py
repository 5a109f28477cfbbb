"""Settings as plain data, which can be read again from where they are saved. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from twosome.config.constraints import is_finite
from twosome.errors import ConfigError, brief

DEEPEST, MOST_ENTRIES = 50, 2**17  # of a setting: a parser of Python takes minutes over a million brackets


def check_plain(settings: object) -> None:
    """Refuse what could not be read again as plain data from where it is saved. Raises `ConfigError` naming the key.

    Interpolations (`${...}`) and `_target_`, numbers that no float holds, a NaN (which equals nothing), nesting.
    """
    level, left = [("", settings)], MOST_ENTRIES
    for _ in range(DEEPEST + 1):
        level = [part for key, node in level for part in _parts_of(key, node)]
        left -= len(level)
        if not level:
            return
        if left < 0:
            raise ConfigError(f"{brief(level[0][0], 80)} holds more than {MOST_ENTRIES:,} entries, more than allowed.")
    raise ConfigError(
        f"{brief(level[0][0], 80)} is nested more than {DEEPEST} deep, which could not be read again. Give what is "
        "deep to the environment as a file, or as a text."
    )


def _parts_of(key: str, node: object) -> list[tuple[str, object]]:
    """What is inside a mapping or a list, with its keys; a value that is neither is checked."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            raise ConfigError(f"{brief(key)} holds a _target_: settings are data, and nothing in them is instantiated.")
        names = {name: _checked_text(f"{key}.{name}".lstrip("."), str(name)) for name in node}
        return [(names[name], value) for name, value in node.items()]
    if isinstance(node, (list, tuple)):
        return [(f"{key}[{k}]", value) for k, value in enumerate(node)]
    if isinstance(node, str):
        _checked_text(key, node)
    elif isinstance(node, (int, float)) and node not in (math.inf, -math.inf) and not is_finite(node):
        got = "nan" if node != node else f"one of {math.ceil(math.log10(abs(node)))} digits"
        raise ConfigError(f"{brief(key)} cannot work: expected a number that a float can hold, got {got}.")
    return []


def _checked_text(key: str, text: str) -> str:
    """The key of a text that holds no interpolation."""
    if "${" in text:
        raise ConfigError(
            f"{brief(key)} holds an interpolation (${{...}}), which a setting never does: give the value itself."
        )
    return key
