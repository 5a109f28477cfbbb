"""Settings on disk: written beside a run, read back as plain data, compared with a command line's.

Runs nothing, loads no model.

A saved config may come from a stranger. It is data of known names and types: no tags, anchors, interpolations or
`_target_`; and where it asks for something that runs code which is not this project's (a model's own Python files, a
module named by an environment's id), it is refused until the user's own command line asks for it too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from twosome import files
from twosome.config.check import check_known, check_train
from twosome.config.constraints import check_fields
from twosome.config.hydra_errors import UNREADABLE, check_override, explain
from twosome.config.names import flat, key_of, renamed_overrides, renamed_settings
from twosome.config.plain import DEEPEST, check_plain
from twosome.config.schema import MemorySettings, TrainSettings, conf_dir
from twosome.config.trust import must_be_trusted
from twosome.errors import CheckpointError, ConfigError

FREE = (
    "run_dir",
    "resume",
    "plan",
    "log",
    "model.device",
    "model.threads",
    "num_workers",
    "rank_timeout",
)  # may differ when a run is continued
MISSING = "???"  # what OmegaConf takes for a value that is still to be given
LONG_NUMBER = re.compile(r"[-+]?0x[\da-fA-F_]{400,}|[-+]?\d[\db_:.]{400,}")  # also in hexadecimal, and with base 60
LATER_GROUPS = (
    "search",
    "expert_iteration",
    "q_head",
    "expected",
    "preference",
    "reward",
    "memory",
)  # of conf/: older runs lack them, and take their defaults


def to_yaml(cfg: TrainSettings) -> str:
    """The settings of a run as text."""
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(OmegaConf.create(asdict(cfg)), resolve=True)


def from_yaml(text: str) -> TrainSettings:
    """The inverse of `to_yaml`, for a text of our own."""
    return _typed(_parsed(text, "The settings"))


def must_come_back(cfg: TrainSettings) -> str:
    """The settings of a run as text. Raises `ConfigError` where a reader of it would refuse them, or find others."""
    from omegaconf.errors import OmegaConfBaseException

    text = to_yaml(cfg)
    if (size := len(text.encode("utf-8", "backslashreplace"))) > files.LARGEST_YAML:
        raise ConfigError(
            f"The settings take {size} bytes, of which {files.LARGEST_YAML} can be read again. Give what is long "
            "(env.kwargs?) to the environment as a file."
        )
    try:
        data, plain = _parsed(text, "The settings"), asdict(cfg)
        if MISSING not in text and repr(data) == repr(plain):  # of the right types already
            return text
        again = _typed(data)
    except (CheckpointError, OmegaConfBaseException, ConfigError, *UNREADABLE) as error:
        raise ConfigError(f"The settings of this run could not be read again: {explain(error, [])}") from error
    old, new = flat(plain), flat(asdict(again))
    if changed := [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]:
        raise ConfigError(f"The settings of this run would be read again as others: {_change(changed[0], old, new)}.")
    return text


def saved_settings(path: Path, overrides: Sequence[str] = (), *, runs_environment: bool = False) -> TrainSettings:
    """Settings that a run saved, checked like a command line's.

    `overrides`: of the user, such as `["model.device=cpu"]`. `runs_environment`: whether the environment that they name
    is going to be made. Raises `CheckpointError` for a file that cannot be used, `ConfigError` for overrides that
    cannot.
    """
    from omegaconf.errors import OmegaConfBaseException

    data = read_settings(path)
    try:
        check_known(data)
        cfg = _typed(data)
        check_train(cfg)
    except (OmegaConfBaseException, ConfigError, *UNREADABLE) as error:
        raise CheckpointError(f"The settings in {path} cannot be used: {explain(error, [])}") from error
    if problem := next(filter(None, (check_override(text, "train") for text in overrides)), None):
        raise ConfigError(problem)
    if overrides:
        try:
            cfg = _typed(data, renamed_overrides(overrides))
        except (OmegaConfBaseException, *UNREADABLE) as error:
            raise ConfigError(explain(error, list(overrides))) from None
        check_train(cfg)
    must_be_trusted(cfg, overrides, path, runs_environment=runs_environment)
    return cfg


def memory_settings(saved: Mapping[str, Any], overrides: Sequence[str], where: str) -> MemorySettings:
    """The settings that a memory was saved with, and where it has none the shipped ones.

    `overrides`: of the user, such as `["memory.use=bias"]`. Raises `CheckpointError` naming `where` for saved ones that
    cannot be used, `ConfigError` for overrides that cannot.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    node = OmegaConf.merge(OmegaConf.structured(MemorySettings), default_of("memory"))
    try:
        check_plain(dict(saved))
        node = OmegaConf.merge(node, dict(saved))
        check_fields(OmegaConf.to_object(node), "memory.")
    except (OmegaConfBaseException, ConfigError, *UNREADABLE) as error:
        raise CheckpointError(f"The settings of the memory in {where} cannot be used: {explain(error, [])}") from error
    try:
        asked = OmegaConf.to_container(OmegaConf.from_dotlist(list(overrides)))
        check_plain(asked)
        made = OmegaConf.to_object(OmegaConf.merge(node, asked.get("memory", {})))  # type: ignore[union-attr]
    except (OmegaConfBaseException, *UNREADABLE) as error:
        raise ConfigError(explain(error, list(overrides))) from None
    assert isinstance(made, MemorySettings)
    check_fields(made, "memory.")
    return made


def read_settings(path: Path) -> dict[str, Any]:
    """A saved config as plain data: no tag, anchor, interpolation or `_target_`. Raises `CheckpointError`."""
    return renamed_settings(_parsed(files.read_text(path), str(path)), str(path))


def _parsed(text: str, where: str) -> dict[str, Any]:
    """The same of a text."""
    import yaml

    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise CheckpointError(f"{where} is nested more than {DEEPEST} deep, which a saved config never is.")
            if getattr(event, "implicit", None) == (True, False) and LONG_NUMBER.fullmatch(event.value):  # unquoted
                raise CheckpointError(f"{where} holds a number of hundreds of digits, which a saved config never does.")
            is_alias = isinstance(event, yaml.AliasEvent)
            if is_alias or getattr(event, "anchor", None) or getattr(event, "tag", None):  # of some kinds of event
                raise CheckpointError(f"{where} holds YAML anchors or tags, which a saved config never does.")
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as error:
        raise CheckpointError(f"{where} is not YAML that can be read: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{where} holds no settings, expected a mapping of names to values.")
    try:
        check_plain(data)
    except ConfigError as error:
        raise CheckpointError(f"{where} cannot be used: {error}") from error
    return data


def must_agree(folder: Path, cfg: TrainSettings) -> None:
    """The same command line continues a run; a setting that matters and differs is an error that lists it."""
    old, new = flat(asdict(_saved(folder / "config.yaml"))), flat(asdict(cfg))
    changed = [
        _change(key, old, new)
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not is_free(key)
    ]
    if changed:
        raise ConfigError(
            f"{folder} holds a run with other settings: {'; '.join(changed)}. Use the same settings to continue it, or "
            "another folder to begin a new run."
        )


def continued(cfg: TrainSettings, usual: TrainSettings, overrides: Sequence[str]) -> TrainSettings:
    """The settings of `resume=PATH`: the saved ones.

    `cfg`: the command line's; `usual`: those of an empty command line. What else `cfg` asks for must agree with the
    saved ones or be in `FREE`. Raises `CheckpointError`, `ConfigError`.
    """
    from omegaconf import OmegaConf

    path = Path(cfg.resume or "").expanduser()
    place = next((p for p in (path / "config.yaml", path.parent.parent / "config.yaml") if p.is_file()), None)
    if place is None:
        raise CheckpointError(
            f"resume={path} is neither a run folder (config.yaml, checkpoints/) nor a checkpoint (manifest.json) in "
            "one."
        )
    trusting = [o for o in overrides if key_of(o).startswith(("model.trust_remote_code", "env.id", "env.kwargs"))]
    saved = saved_settings(place, trusting, runs_environment=True)
    asked, empty, old = (flat(asdict(c)) for c in (cfg, usual, saved))
    explicit = {key_of(o) for o in overrides}
    touched = [k for k in asked if asked[k] != empty.get(k) or k in explicit]
    may_differ = (*FREE, "total_steps") if asked["total_steps"] >= old["total_steps"] else FREE
    changed = [_change(k, old, asked) for k in touched if asked[k] != old.get(k) and not is_free(k, may_differ)]
    if changed:
        raise ConfigError(
            f"resume={path} continues a run with its own settings; these differ: {'; '.join(changed)}. Leave them out; "
            "total_steps may grow, and init=PATH begins a new run with this one's weights."
        )
    node = OmegaConf.structured(saved)
    for key in touched:
        if is_free(key, may_differ):
            OmegaConf.update(node, key, asked[key])
    node.resume, node.run_dir = str(path), None
    return _object(node)


def is_free(key: str, free: Sequence[str] = FREE) -> bool:
    """Whether a setting may differ when a run is continued."""
    return any(key == f or key.startswith(f + ".") for f in free)


def _saved(path: Path) -> TrainSettings:
    """Saved settings in today's shape, unchecked: for a comparison."""
    from omegaconf.errors import OmegaConfBaseException

    data = read_settings(path)
    try:
        return _typed(data)
    except (OmegaConfBaseException, *UNREADABLE) as error:
        raise CheckpointError(f"The settings in {path} cannot be used: {explain(error, [])}") from error


def _typed(data: dict[str, Any], overrides: Sequence[str] = ()) -> TrainSettings:
    from omegaconf import OmegaConf

    later = {name: default_of(name) for name in LATER_GROUPS if name not in data}
    dotlist = OmegaConf.from_dotlist(list(overrides))
    check_plain(OmegaConf.to_container(dotlist))
    return _object(OmegaConf.merge(OmegaConf.structured(TrainSettings), later, data, dotlist))


def default_of(group: str) -> dict[str, Any]:
    """The shipped settings of a group that a saved config lacks."""
    import yaml

    return dict(yaml.safe_load((conf_dir() / group / "default.yaml").read_text(encoding="utf-8")))


def _object(node: Any) -> TrainSettings:
    from omegaconf import OmegaConf

    missing = sorted(OmegaConf.missing_keys(node))
    if missing:
        raise ConfigError(f"{missing[0]} is missing: give it as {missing[0]}=VALUE.")
    made = OmegaConf.to_object(node)
    assert isinstance(made, TrainSettings)
    return made


def _change(key: str, old: dict[str, Any], new: dict[str, Any]) -> str:
    return f"{key}: {old.get(key)!r} -> {new.get(key)!r}"
