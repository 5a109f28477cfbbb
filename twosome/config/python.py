"""Settings as Python and as people write them -> a command line as Hydra reads it, so that all meet the same checks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twosome.config.plain import check_plain
from twosome.config.schema import conf_dir
from twosome.errors import ConfigError, brief

PLAIN = re.compile(r"[A-Za-z_./][\w./-]*")
KEY = re.compile(r"[A-Za-z0-9_./:=,()\[\]{}\\+$%*@?| -]+")
READ_AS_ANOTHER = re.compile(r"[+-]?([\d_.]+(e[+-]?[\d_]+)?|inf|nan)|null|true|false| +", re.IGNORECASE)
CONSTANTS = ("null", "true", "false", "nan", "inf")  # texts of these names need quotes


def as_overrides(settings: Mapping[str, Any]) -> list[str]:
    """`{"seed": 1, "ppo": {"clip": 0.1}}` -> `["seed=1", "ppo.clip=0.1"]`.

    A group such as `env` or `model` takes the name of a file of `conf/`; an `env` that is none is a gymnasium id, a
    `model` that is none a folder or a hub name. Raises `ConfigError` for a value that no setting can have.

    >>> as_overrides({"env": "my_module:MyWorld-v0", "model": "tiny", "log": {"stop_at": None}})
    ['env=own', 'env.id=my_module:MyWorld-v0', 'model=tiny', 'log.stop_at=null']
    """
    check_plain(settings)
    found: list[str] = []
    for key, value in settings.items():
        value = str(value) if isinstance(value, Path) else value
        if key == "env" and isinstance(value, Mapping):
            found += ["env=own", *_nested(key, value)]
        elif key == "env" and isinstance(value, str) and not _is_file(key, value):
            found += ["env=own", f"env.id={literal(value)}"] if re.search(r"[:/]|-v\d+$", value) else [f"env={value}"]
        elif key == "model" and isinstance(value, str) and not _is_file(key, value):
            found += ["model=hf", f"model.name={literal(value)}"]
        else:
            found += _nested(key, value)
    return found


def as_texts(overrides: object) -> list[str]:
    """Overrides as on the command line. Raises `ConfigError` for anything but a list of texts."""
    if isinstance(overrides, (list, tuple)) and all(isinstance(entry, str) for entry in overrides):
        return list(overrides)
    got = brief(repr(overrides), 80)
    raise ConfigError(f"overrides={got} cannot work: expected a list of texts such as ['model.device=cpu'].")


def literal(value: Any) -> str:
    """A value as Hydra's command line spells it. Raises `ConfigError` for one that no setting can have.

    >>> literal([1, None, "it's"])
    "[1,null,'it\\\\'s']"
    """
    if hasattr(value, "tolist"):  # a number or an array of numpy or torch
        value = value.tolist()
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value)
    if isinstance(value, (str, Path)):
        text = str(value)
        return text if PLAIN.fullmatch(text) and text.lower() not in CONSTANTS else quoted(text)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_key(key)}:{literal(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(map(literal, value)) + "]"
    raise ConfigError(f"{value!r} is no value of a setting: expected a number, text, true or false, None, or a list.")


def _key(key: object) -> str:
    """A key of a mapping: Hydra knows no quotes there. Raises `ConfigError` for one that would come out otherwise."""
    is_name = isinstance(key, str) and KEY.fullmatch(key) is not None and not READ_AS_ANOTHER.fullmatch(key)
    if not is_name and type(key) is not int:
        raise ConfigError(
            f"{brief(repr(key), 80)} is no key of a setting: expected a name of English letters, digits, spaces and "
            "_ - . / : = , ( ) [ ] { } that is no number and no word such as true, or a whole number."
        )
    return re.sub(r"([\\()\[\]{}:=, ])", r"\\\1", str(key))


def quoted(text: str) -> str:
    """A text in single quotes, as Hydra reads it back: a quote takes a backslash, and so do those before one."""
    return "'" + re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + (m[2] and "\\'"), text) + "'"


def quoted_entries(override: str) -> str:
    """`overrides=[env.id=a:B]` with its entries quoted, as Hydra asks for; what is quoted already stays.

    >>> quoted_entries("overrides=[env.id=a:B,'model.threads=2', policy.reuse=[features,decisions]]")
    "overrides=['env.id=a:B','model.threads=2','policy.reuse=[features,decisions]']"
    """
    key, _, value = override.partition("=")
    if not (value.startswith("[") and value.endswith("]")):
        return override
    entries, depth = [""], 0
    for letter in value[1:-1]:
        depth += (letter in "[{(") - (letter in "]})")
        if letter == "," and depth == 0 and not _is_open(entries[-1]):
            entries.append("")
        else:
            entries[-1] += letter
    stripped = [entry.strip() for entry in entries if entry.strip()]
    safe = [entry if entry[0] in "'\"" else quoted(entry) for entry in stripped]
    return f"{key}=[{','.join(safe)}]"


def _is_open(entry: str) -> bool:
    """Whether a quoted entry has not come to its end."""
    text = entry.strip()
    return text[:1] in ("'", '"') and (len(text) == 1 or text[-1] != text[0])


def _nested(key: str, value: Any) -> list[str]:
    if isinstance(value, Mapping) and not key.startswith("env.kwargs"):
        if odd := [name for name in value if not isinstance(name, str) or not re.fullmatch(r"[\w.]+", name)]:
            raise ConfigError(f"Unknown setting {brief(repr(odd[0]), 80)} of {key}: expected the name of one.")
        return [line for name, entry in value.items() for line in _nested(f"{key}.{name}", entry)]
    return [f"{key}={literal(value)}"]


def _is_file(group: str, name: str) -> bool:
    return re.fullmatch(r"\w+", name) is not None and (conf_dir() / group / f"{name}.yaml").is_file()
