"""What Hydra and OmegaConf say about settings, in one paragraph: the key, what was expected, what was got."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from typing import Any

from twosome.config.known import known_names, nested_schema
from twosome.config.names import RENAMED_KEYS, key_of, near, program
from twosome.config.python import READ_AS_ANOTHER
from twosome.config.schema import SCHEMAS, conf_dir
from twosome.errors import brief

UNREADABLE = (ValueError, TypeError, AttributeError, OverflowError, RecursionError)  # what they raise besides their own
WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def explain(error: Exception, overrides: list[str], config_name: str = "train") -> str:
    """Hydra's error message in one paragraph, with the nearest valid name."""
    if long := next((o for o in overrides if re.search(r"\d{4300}", o)), None):
        return f"{brief(key_of(long))} cannot work: expected a number that a float can hold, got thousands of digits."
    if isinstance(error, RecursionError):
        return (
            f"The settings are nested too deep: {error}. Give what is deep to the environment as a file, or as a text."
        )
    text = " ".join(str(error.__cause__ or error).split())
    if missing := re.search(r"Could not find '(\w+)/([^']*)'", str(error)):
        return _unknown_option(missing.group(1), missing.group(2))
    if key := re.search(r"Key '([^']+)' is not in struct|Key '([^']+)' not in '", text):
        name = key.group(1) or key.group(2)
        of_override = next((key_of(o) for o in overrides if name in key_of(o).split(".")), None)
        return _unknown_setting(of_override or _full_key(str(error)) or name, config_name)
    if "nterpolation" in text:
        return f"{_full_key(text) or 'A setting'} cannot be filled in: {text.split(' full_key')[0]}."
    if full := _full_key(str(error.__cause__ or error)):
        return _wrong_value(full, text, overrides, config_name)
    culprit = getattr(error, "override", None)  # of Hydra's OverrideParseException alone
    if culprit or "parsing override" in text or "no viable alternative" in text or "LexerNo" in text:
        shown = f"{culprit!r}" if culprit else "An argument"
        expected = "expected key=value, such as seed=1 or 'policy.reuse=[features]'"
        return f"{shown} is no setting: {expected}. {text.split(' See http')[0]}".strip()
    return text.split(" See http")[0]


def check_override(override: str, config_name: str, *, is_sweep: bool = False) -> str | None:
    """What is wrong with an argument, of what Hydra would say badly or not at all; None where it may be fine.

    `is_sweep`: it is of several runs at once, of each of which `${seed}` takes the own value.
    """
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        hint = near(key_of(override), known_names(config_name))
        return f"{override!r} is no setting: expected key=value, such as seed=1.{hint}"
    if not key_of(override) or "@" in key:
        return f"{brief(override)!r} is no setting: expected key=value, such as seed=1; none has an @ in its name."
    if "${" in override and not is_sweep and not key.lstrip("+").startswith("hydra"):
        return (
            f"{brief(override)!r} holds an interpolation (${{...}}), which only several runs at once (-m) take: "
            "give the value itself."
        )
    if override.startswith("~"):
        return f"{override!r} would remove a setting; a setting can be changed, or set to null where it may be."
    group = key_of(override)
    text = (conf_dir() / f"{config_name}.yaml").read_text(encoding="utf-8")
    if group not in re.findall(r"^  - (\w+):", text, flags=re.MULTILINE):
        return None  # a setting, as `env` is one of `twosome-eval env=[a,b]`
    is_several = "[" in value and group != "experiment"  # experiments may be laid over each other
    return _unknown_option(group, value) if is_several or _is_no_name(value) else None


def _is_no_name(value: str) -> bool:
    """Whether Hydra reads a value as something else than text."""
    return value.strip() in ("", "None") or READ_AS_ANOTHER.fullmatch(value.strip()) is not None


def _wrong_value(full: str, text: str, overrides: list[str], config_name: str) -> str:
    expected = _expected(full, config_name)
    if expected is None:
        return _unknown_setting(full, config_name)
    given = next((o.split("=", 1)[1] for o in overrides if key_of(o) == full and "=" in o), None)
    said = re.search(r"Value '(.*?)'(?: of type| is not)", text)
    got = given if given is not None else said.group(1) if said else ""
    return f"{full}={brief(got)} cannot work: expected {expected}{_in_digits(got) if WORDS[int] in expected else ''}."


def _in_digits(text: str) -> str:
    """`1e5`, which YAML reads as no whole number, as it must be written."""
    if not re.fullmatch(r"\d{1,9}(\.\d*)?(e\+?\d)?", text, re.IGNORECASE) or not float(text).is_integer():
        return ""
    return f" in digits, {int(float(text))}"


def _unknown_option(group: str, name: str) -> str:
    known = sorted(p.stem for p in (conf_dir() / group).glob("*.yaml"))
    hint = near(name, known)
    if group == "env" and re.search(r"[:/]|-v\d+$", name):
        hint = (
            f" A gymnasium id goes with env=own, as in: env=own env.id={name}. An environment of numbers is described "
            "in words by twosome_envs.wrappers.menu.MenuWrapper (notebooks/own_environment.py is one)."
        )
    return f"Unknown {group} {name!r}.{hint} Known: {', '.join(known)}."


def _unknown_setting(name: str, config_name: str) -> str:
    listed = f"`{program(config_name)} --cfg job` lists all settings."
    if name in RENAMED_KEYS:  # in a file of the user's own, where it cannot be replaced
        return f"{name!r} is now {RENAMED_KEYS[name]!r}: rename it in your file. {listed}"
    return f"Unknown setting {name!r}.{near(name, known_names(config_name))} {listed}"


def _full_key(text: str) -> str | None:
    found = re.search(r"full_key: ([\w.]+)", text)
    return found.group(1) if found else None


def _expected(key: str, config_name: str) -> str | None:
    """The type of a setting in words; None where there is no such setting."""
    kind: Any = SCHEMAS.get(config_name)
    for part in key.split("."):
        nested = nested_schema(kind)
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
