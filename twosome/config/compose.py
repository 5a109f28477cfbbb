"""A command line -> checked settings, by Hydra's rules."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twosome.config.agent import around, is_of_agent, must_have_agent
from twosome.config.asked import check_asked
from twosome.config.check import check_eval, check_inspect, check_known, check_play, check_train
from twosome.config.hydra_errors import UNREADABLE, check_override, explain
from twosome.config.names import key_of, renamed_overrides
from twosome.config.python import quoted, quoted_entries
from twosome.config.saved import continued, must_come_back
from twosome.config.schema import SCHEMAS, TrainSettings, conf_dir
from twosome.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

CHECKS: dict[str, Callable[[Any], None]] = {
    "train": check_train,
    "eval": check_eval,
    "inspect": check_inspect,
    "play": check_play,
}
PLAIN = {  # commands, and the groups whose settings are there changes of a checkpoint's saved ones
    "eval": ("model.", "policy.", "memory.", "env.", "agent", "agent."),
    "inspect": ("model.", "policy.", "memory."),
    "play": ("model.", "policy.", "memory."),
}


def compose(overrides: list[str]) -> TrainSettings:
    """The settings of a training run, checked. Raises `ConfigError` with the nearest valid name."""
    made = compose_command(overrides, "train")
    assert isinstance(made, TrainSettings)
    return made


def compose_command(overrides: list[str], config_name: str) -> Any:
    """The settings of any command: an object of its schema, of a bench a `DictConfig`. Raises `ConfigError`."""
    from hydra import compose as hydra_compose
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    register()
    overrides = prepared(overrides, config_name)
    try:
        with _hydra():
            cfg = hydra_compose(config_name, overrides=overrides)
        return checked(cfg, overrides, config_name)
    except ConfigError:
        raise
    except (HydraException, OmegaConfBaseException, *UNREADABLE) as error:
        raise ConfigError(explain(error, overrides, config_name)) from None


@contextmanager
def _hydra() -> Iterator[None]:
    """Hydra over `conf/`. Within one of our own command lines it is the one that runs, which knows `--config-dir` too.

    One that runs for another program is set aside for as long.
    """
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    outer = GlobalHydra.instance().hydra
    known = [] if outer is None else [element.path for element in outer.config_loader.get_search_path().get_path()]
    if str(conf_dir()) in known:
        yield
        return
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(conf_dir()), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = outer


def register() -> None:
    """Tell Hydra the shape of the settings."""
    from hydra.core.config_store import ConfigStore

    for name, schema in SCHEMAS.items():
        ConfigStore.instance().store(name=f"{name}_settings", node=schema)


def prepared(overrides: list[str], config_name: str, *, is_sweep: bool = False) -> list[str]:
    """A command line as Hydra takes it, old names replaced. Raises `ConfigError` for what is no setting at all."""
    for override in overrides:
        if problem := check_override(override, config_name, is_sweep=is_sweep):
            raise ConfigError(problem)
    must_have_agent(overrides)
    overrides = renamed_overrides([quoted_entries(o) if o.startswith("overrides=") else o for o in overrides])
    if config_name == "eval":  # any number of worlds; to Hydra `env=` would be the choice of one file
        overrides = [f"envs={o.removeprefix('env=')}" if o.startswith("env=") else o for o in overrides]
    if config_name in PLAIN:  # the memory's settings are its own; to Hydra `memory=` would be the choice of one file
        overrides = [f"memory_from={o.removeprefix('memory=')}" if o.startswith("memory=") else o for o in overrides]
        has_checkpoint = config_name == "eval" or any(key_of(o) == "checkpoint" for o in overrides)
        overrides = with_plain_overrides(overrides, PLAIN[config_name] if has_checkpoint else ("memory.",))
    is_open = ("env.kwargs.", "env.kwargs={")  # a mapping to which any key may be added
    return [f"++{o}" if o.startswith(is_open) else o for o in overrides]


def with_plain_overrides(overrides: list[str], groups: tuple[str, ...]) -> list[str]:
    """`model.device=cpu` beside a checkpoint means `overrides=[model.device=cpu]`: a change of its saved settings.

    Raises `ConfigError` for a list of overrides that is none.

    >>> with_plain_overrides(["checkpoint=RUN", "model.device=cpu", "overrides=[model.threads=2]"], ("model.",))
    ['checkpoint=RUN', 'overrides=[model.threads=2,\'model.device="cpu"\']']
    """
    dotted = tuple(group for group in groups if group.endswith("."))
    plain = [o for o in overrides if key_of(o) in groups or key_of(o).startswith(dotted)]
    if not plain:
        return overrides
    kept = [o for o in overrides if o not in plain and key_of(o) != "overrides"]
    given = [o.partition("=")[2].strip() for o in overrides if key_of(o) == "overrides"]
    if any(not (text.startswith("[") and text.endswith("]")) for text in given):
        raise ConfigError(f"overrides={given[-1]} cannot work: expected a list such as [model.device=cpu].")
    entries = [text[1:-1].strip() for text in given]
    return [*kept, f"overrides=[{','.join([*filter(None, entries), *map(_entry, plain)])}]"]


def _entry(override: str) -> str:
    """An override as an entry of a list, quoted by Hydra's rules, its value as JSON, which is YAML.

    One of a world stays as it is: it may be composed with `env=NAME` once more.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_override(override)
    except HydraException as error:
        raise ConfigError(explain(error, [override])) from None
    if parsed.is_sweep_override():
        raise ConfigError(f"{override} gives several values, expected one.")
    is_of_world = key_of(override).startswith("env.") or is_of_agent(override)
    value = override.partition("=")[2] if is_of_world else json.dumps(parsed.value(), ensure_ascii=False)
    text = f"{key_of(override)}={value}"
    return quoted(text)


def checked(cfg: DictConfig, overrides: list[str], config_name: str) -> Any:
    """Composed settings after every check; for `resume=PATH` those that the run has saved. Raises `ConfigError`."""
    from omegaconf import OmegaConf

    if config_name not in SCHEMAS:
        return cfg
    if missing := sorted(OmegaConf.missing_keys(cfg)):
        raise ConfigError(f"{missing[0]} is missing: give it as {missing[0]}=VALUE.")
    check_known(OmegaConf.to_container(cfg, resolve=True), config_name)  # `to_object` drops what `+name=` has added
    made: Any = _with_agent(OmegaConf.to_object(cfg))
    CHECKS[config_name](made)
    if isinstance(made, TrainSettings):
        if made.resume is not None:
            made = _resumed(made, overrides)
        must_come_back(made)
    check_asked(made, {key_of(o) for o in overrides})
    return made


def _with_agent(made: Any) -> Any:
    """The settings with the agent, where one is chosen, made part of the world. Raises `ConfigError`."""
    if getattr(made, "agent", None) is None:
        return made
    if made.env is None:
        raise ConfigError("An agent is put around a world that is chosen too: add env=NAME, or leave agent out.")
    return dataclasses.replace(made, env=around(made.env, made.agent), agent=None)


def _resumed(cfg: TrainSettings, overrides: list[str]) -> TrainSettings:
    for name, value in (("run_dir", cfg.run_dir), ("init", cfg.init)):
        if value is not None:
            raise ConfigError(
                f"resume and {name} contradict each other: a run is continued where it lies, as it is. "
                f"Leave {name} out."
            )
    return continued(cfg, compose([]), overrides)
