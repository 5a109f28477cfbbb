"""What Hydra and OmegaConf say about a command line, said in one paragraph: the key, what was expected, what was got."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from typing import Any

from twosome import config
from twosome.checks import near

WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def explain(error: Exception, overrides: list[str], config_name: str = "train") -> str:
    """Hydra's complaint in one paragraph, with the nearest valid name."""
    text = " ".join(str(error.__cause__ or error).split())
    if missing := re.search(r"Could not find '(\w+)/([^']*)'", str(error)):
        return _unknown_option(missing.group(1), missing.group(2))
    if key := re.search(r"Key '([^']+)' is not in struct|Key '([^']+)' not in '", text):
        name = key.group(1) or key.group(2)
        full = next((_key(o) for o in overrides if name in _key(o).split(".")), _full_key(str(error)) or name)
        return _unknown_setting(full, config_name)
    if full := _full_key(str(error.__cause__ or error)):
        expected = _expected(full, config_name)
        if expected is not None:
            given = next((o.split("=", 1)[1] for o in overrides if _key(o) == full and "=" in o), None)
            said = re.search(r"Value '(.*?)'(?: of type| is not)", text)
            got = given if given is not None else said.group(1) if said else ""
            return f"{full}={got} cannot work: expected {expected}."
        return _unknown_setting(full, config_name)
    if (culprit := getattr(error, "override", None)) or "parsing override" in text or "no viable alternative" in text or "LexerNo" in text:
        shown = f"{culprit!r}" if culprit else "An argument"
        return f"{shown} is no setting: expected key=value, such as seed=1 or 'policy.reuse=[features]'. {text.split(' See http')[0]}".strip()
    return text.split(" See http")[0]


def check_override(override: str, config_name: str) -> str | None:
    """What is wrong with an argument, of what Hydra would say badly or not at all; None where it may be fine."""
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        hint = near(_key(override), config.known_names(config_name))
        return f"{override!r} is no setting: expected key=value, such as seed=1.{hint}"
    if override.startswith("~"):
        return f"{override!r} would remove a setting; a setting can be changed, or set to null where it may be."
    group = _key(override)
    chosen = re.findall(r"^  - (\w+):", (config.conf_dir() / f"{config_name}.yaml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    is_group = group in chosen and group != "experiment"  # elsewhere, as in `twosome-eval env=[a,b]`, it is a setting
    if is_group and (value.strip() in ("", "null", "None") or "[" in value):
        return _unknown_option(group, value)
    return None


def _unknown_option(group: str, name: str) -> str:
    known = sorted(p.stem for p in (config.conf_dir() / group).glob("*.yaml"))
    return f"Unknown {group} {name!r}.{near(name, known)} Known: {', '.join(known)}."


def _unknown_setting(name: str, config_name: str) -> str:
    known = config.known_names(config_name)
    return f"Unknown setting {name!r}.{near(name, known)} `twosome-{config_name} --cfg job` lists all settings."


def _full_key(text: str) -> str | None:
    found = re.search(r"full_key: ([\w.]+)", text)
    return found.group(1) if found else None


def _key(override: str) -> str:
    return override.split("=", 1)[0].strip().lstrip("+~").split("@")[0]


def _expected(key: str, config_name: str) -> str | None:
    """The type of a setting in words; None where there is no such setting."""
    kind: Any = config.SCHEMAS.get(config_name)
    for part in key.split("."):
        nested = next((k for k in (kind, *typing.get_args(kind)) if dataclasses.is_dataclass(k)), None)
        if nested is None:
            return _words(kind) if typing.get_origin(kind) in (dict, list) else None
        kind = typing.get_type_hints(nested).get(part.split("[")[0])
        if kind is None:
            return None
    return _words(kind)


def _words(kind: Any) -> str:
    if isinstance(kind, types.UnionType):
        return ", or ".join("null" if k is type(None) else _words(k) for k in typing.get_args(kind))
    if dataclasses.is_dataclass(kind):
        return f"its parts one by one ({', '.join(f.name for f in dataclasses.fields(kind))})"
    if typing.get_origin(kind) is list:
        return f"a list, each entry {_words(typing.get_args(kind)[0])}, such as [a,b]"
    if typing.get_origin(kind) is dict:
        return "a mapping, such as {name: value}"
    return WORDS.get(kind, "another value")
