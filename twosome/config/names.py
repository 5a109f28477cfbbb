"""Names of settings: dotted keys, near misses, and names that were changed. Pure."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Mapping
from typing import Any

log = logging.getLogger(__name__)

RENAMED_KEYS = {  # read for one version, with a warning
    "ppo.imitation": "ppo.self_imitation",
    "ppo.novelty": "ppo.count_bonus",
    "log.probe_states": "log.tracked_states",
    "log.probe_interval": "log.tracked_interval",
    "env.step_seconds": "env.step_timeout",
}
ACTED_BY = {"softmax": {"epsilon": 0.0, "epsilon_end": 0.0}, "epsilon": {"tau": 1e-6, "tau_end": 1e-6}}
RENAMED_VALUES = {("policy.scorer", "forest"): "trie"}


def near(name: str, known: Iterable[str]) -> str:
    """' Did you mean ...?' or nothing. A key is compared whole, then by its last part."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if not close:
        last = difflib.get_close_matches(name.split(".")[-1], [k.split(".")[-1] for k in names])
        close = [k for k in names if k.split(".")[-1] in last]
    return f" Did you mean {close[0]!r}?" if close else ""


def key_of(override: str) -> str:
    """The dotted key of a command line's `key=value`."""
    return override.split("=", 1)[0].strip().lstrip("+~").split("@")[0]


def flat(node: object, prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names; an empty mapping is a value of its own.

    >>> flat({"a": {"b": 1, "c": [2]}, "d": {}})
    {'a.b': 1, 'a.c': [2], 'd': {}}
    """
    if isinstance(node, Mapping) and node:
        return {k: v for key, value in node.items() for k, v in flat(value, f"{prefix}{key}.").items()}
    return {prefix.rstrip("."): node}


def renamed_overrides(overrides: Iterable[str]) -> list[str]:
    """A command line with old names replaced by today's, and one warning where there were any."""
    result, changes = [], []
    for override in overrides:
        key, equals, value = override.partition("=")
        bare = key_of(override)
        old = next((o for o in RENAMED_KEYS if bare == o or bare.startswith(f"{o}.")), None)
        new_key = key.replace(old, RENAMED_KEYS[old], 1) if old else key
        new_value = RENAMED_VALUES.get((key_of(new_key), value.strip("'\"")), value)
        result.append(f"{new_key}{equals}{new_value}")
        if result[-1] != override:
            changes.append(f"{override} is now {result[-1]}")
    _warn(changes, "the command line")
    return result


def renamed_settings(data: dict[str, Any], where: str) -> dict[str, Any]:
    """Saved settings with old names replaced by today's in place, and one warning where there were any.

    `q_head.acting`, which chose between a temperature and random actions, becomes what says the same of both.
    """
    changes = []
    if isinstance(q_head := data.get("q_head"), dict) and "acting" in q_head:
        q_head |= ACTED_BY.get(str(q_head.pop("acting")), {})
    for old, new in RENAMED_KEYS.items():
        group, _, name = old.rpartition(".")
        node = data.get(group)
        if isinstance(node, dict) and name in node:
            node.setdefault(new.rpartition(".")[2], node.pop(name))
            changes.append(f"{old} is now {new}")
    for (key, value), new in RENAMED_VALUES.items():
        group, _, name = key.rpartition(".")
        node = data.get(group)
        if isinstance(node, dict) and node.get(name) == value:
            node[name] = new
            changes.append(f"{key}={value} is now {key}={new}")
    _warn(changes, where)
    return data


def _warn(changes: list[str], where: str) -> None:
    if changes:
        log.warning("Old names in %s, read for this version only: %s.", where, "; ".join(changes))


BASELINES = ("mlp", "tabular")  # methods without a language model
ACTION_VALUES = ("qhead", "expected")  # methods whose critic values actions
REMEMBERING = ("memory", "memory_ppo")  # methods with an experience memory


def program(config_name: str) -> str:
    """What a user calls to get a command with these settings: others than these four are benches."""
    is_command = config_name in ("train", "eval", "inspect", "play")
    return f"twosome-{config_name}" if is_command else f"python -m twosome.bench {config_name}"
