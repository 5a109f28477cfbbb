"""Which settings there are: their dotted names, from the schemas of the commands. Pure."""

from __future__ import annotations

import dataclasses
import re
import typing
from typing import Any

from twosome.config.schema import SCHEMAS, TrainSettings, conf_dir


def known_names(config_name: str) -> list[str]:
    """The dotted names of a command's settings; where it has no schema the keys of its file."""
    if config_name in SCHEMAS:
        return setting_names(SCHEMAS[config_name])
    text = (conf_dir() / f"{config_name}.yaml").read_text(encoding="utf-8")
    return re.findall(r"^(\w+):", text, flags=re.MULTILINE)


def setting_names(node: type = TrainSettings, prefix: str = "") -> list[str]:
    """All dotted names of a schema."""
    names = []
    for name, kind in typing.get_type_hints(node).items():
        nested = nested_schema(kind)
        names += [f"{prefix}{name}", *(setting_names(nested, f"{prefix}{name}.") if nested else [])]
    return names


def nested_schema(kind: Any) -> type | None:
    """The dataclass of a type such as `EnvSettings | None`; None where there is none."""
    return next(
        (k for k in (kind, *typing.get_args(kind)) if dataclasses.is_dataclass(k) and isinstance(k, type)), None
    )
