"""Settings on disk: written beside a run, read back as plain data, compared with a command line's. Runs nothing, loads no model.

A saved config may come from a stranger. It is data of known names and types: no tags, anchors, interpolations or `_target_`; and
where it asks for something that runs code which is not this project's (a model's own Python files, a module named by an
environment's id), it is refused until the user's own command line asks for it too.
"""

from __future__ import annotations

from collections.abc import Sequence as Seq
from pathlib import Path
from typing import Any

from twosome import disk
from twosome.types import CheckpointError, ConfigError

FREE = ("run_dir", "resume", "plan", "log", "model.device", "model.threads")  # may differ when a run is continued
SINCE = {"ppo.novelty": 0.0, "baseline.backward": True}  # settings that older runs lack, with the values that leave them as they were
TRUSTED_MODULES = ("", "twosome_envs")  # that an environment's id may import without being asked for


def to_yaml(cfg: Any) -> str:
    """The settings of a run as text."""
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(cfg, resolve=True)


def saved_settings(path: Path, overrides: Seq[str] = (), *, runs_environment: bool = False) -> Any:
    """Settings that a run saved, checked like a command line's.

    `overrides`: of the user, such as `["model.device=cpu"]`. `runs_environment`: whether the environment that they name is
    going to be made. Raises `CheckpointError` for a file that cannot be used, `ConfigError` for overrides that cannot.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from twosome.checks import check
    from twosome.complaints import explain
    from twosome.config import TrainSettings

    data = read_settings(path)
    try:
        older = OmegaConf.from_dotlist([f"{key}={value}" for key, value in SINCE.items()])
        cfg = OmegaConf.merge(OmegaConf.structured(TrainSettings), older, data)
        check(cfg)
    except (OmegaConfBaseException, ConfigError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"The settings in {path} cannot be used: {explain(error, [])}") from error
    must_be_trusted(cfg, overrides, f"The saved settings {path}", runs_environment=runs_environment)
    try:
        cfg = OmegaConf.merge(cfg, OmegaConf.from_dotlist(list(overrides)))
    except (OmegaConfBaseException, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(explain(error, list(overrides))) from None
    check(cfg)
    return cfg


def must_be_trusted(cfg: Any, overrides: Seq[str], who: str, *, runs_environment: bool) -> None:
    """Refuse settings that would run code of others, unless the user's own `overrides` name them. Raises `CheckpointError`."""
    asked = {o.split("=", 1)[0].strip().lstrip("+") for o in overrides}
    if cfg.model.trust_remote_code and "model.trust_remote_code" not in asked:
        raise CheckpointError(
            f"{who} ask to run Python files that come with the model {cfg.model.name!r} (model.trust_remote_code=true). If you trust "
            "their author, say so yourself: add model.trust_remote_code=true."
        )
    module = cfg.env.id.rpartition(":")[0]
    if runs_environment and module not in TRUSTED_MODULES and not asked & {"env.id", "env"}:
        raise CheckpointError(
            f"{who} ask to import the Python module {module!r} for their environment. If you trust it, say so yourself: add "
            f"env.id={cfg.env.id} (in twosome-eval and twosome-inspect: 'overrides=[env.id={cfg.env.id}]')."
        )


def read_settings(path: Path) -> dict[str, Any]:
    """A saved config as plain data: no tag, anchor, interpolation or `_target_`. Raises `CheckpointError`."""
    import yaml

    text = disk.read_text(path)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
                raise CheckpointError(f"{path} holds YAML anchors or tags, which a saved config never does; refused.")
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not YAML that can be read: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} holds no settings, expected a mapping of names to values.")
    for key, value in flat(data).items():
        if "${" in f"{key}{value}" or "_target_" in key.split("."):
            raise CheckpointError(f"{path} holds an interpolation or a _target_ at {key!r}, which a saved config never does; refused.")
    return data


def must_agree(folder: Path, cfg: Any) -> None:
    """The same command line continues a run; a setting that matters and differs is an error that lists it."""
    import yaml

    old, new = flat(read_settings(folder / "config.yaml")), flat(yaml.safe_load(to_yaml(cfg)))
    changed = [_change(key, old, new) for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key) and not is_free(key)]
    if changed:
        raise ConfigError(
            f"{folder} holds a run with other settings: {'; '.join(changed)}. Use the same settings to continue it, or another folder "
            "to start afresh."
        )


def continued(cfg: Any, overrides: Seq[str]) -> Any:
    """The settings of `resume=PATH`: the saved ones. What else the command line asks for must agree with them or be in `FREE`."""
    import yaml
    from omegaconf import OmegaConf

    from twosome.config import compose

    path = Path(cfg.resume).expanduser()
    place = next((p for p in (path / "config.yaml", path.parent.parent / "config.yaml") if p.is_file()), None)
    if place is None:
        raise CheckpointError(f"resume={path} is neither a run folder (config.yaml, checkpoints/) nor a checkpoint (manifest.json) in one.")
    saved = saved_settings(place, [o for o in overrides if _key(o) in ("model.trust_remote_code", "env.id")], runs_environment=True)
    asked, usual, old = (flat(yaml.safe_load(to_yaml(c))) for c in (cfg, compose([]), saved))
    explicit = {_key(o) for o in overrides}
    touched = [k for k in asked if asked[k] != usual.get(k) or k in explicit]
    changed = [_change(k, old, asked) for k in touched if asked[k] != old.get(k) and not is_free(k)]
    if changed:
        raise ConfigError(f"resume={path} continues a run with its own settings; these differ: {'; '.join(changed)}. Leave them out.")
    for key in touched:
        if is_free(key):
            OmegaConf.update(saved, key, asked[key])
    saved.resume, saved.run_dir = str(path), None
    return saved


def is_free(key: str) -> bool:
    """Whether a setting may differ when a run is continued."""
    return any(key == f or key.startswith(f + ".") for f in FREE)


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names."""
    if isinstance(node, dict) and node:
        return {k: v for key, value in node.items() for k, v in flat(value, f"{prefix}{key}.").items()}
    return {prefix.rstrip("."): node}


def _change(key: str, old: dict[str, Any], new: dict[str, Any]) -> str:
    return f"{key}: {old.get(key)!r} -> {new.get(key)!r}"


def _key(override: str) -> str:
    return override.split("=", 1)[0].strip().lstrip("+~")
