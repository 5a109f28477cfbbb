"""The shape of the settings: names and types, so that a wrong key or type is refused before anything is loaded.

Every number has its home in `conf/*.yaml`, with its unit and what more and less of it do; there are no defaults here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twosome.checks import check, check_values, near
from twosome.types import ConfigError

__all__ = ["check", "check_values", "compose", "near"]


@dataclass
class EnvSettings:
    id: str
    kwargs: dict[str, Any]
    gamma: float
    optimum: float | None


@dataclass
class LoraSettings:
    rank: int
    alpha: int
    dropout: float
    targets: Any  # "all-linear", a list of module names, or null for PEFT's choice for the architecture


@dataclass
class ValueHeadSettings:
    kind: str
    widths: list[int]
    layer_norm: bool


@dataclass
class ModelSettings:
    name: str
    revision: str | None
    dtype: str
    quantization: str
    device: str
    attention: str
    gradient_checkpointing: bool
    compile: bool
    trust_remote_code: bool
    threads: int | None
    lora: LoraSettings
    value_head: ValueHeadSettings


@dataclass
class PolicySettings:
    normalization: str
    prompt: str
    scorer: str
    token_budget: int
    menus_per_row: int
    reuse: list[str]
    reuse_capacity: int


@dataclass
class OptimizerSettings:
    learning_rate: float
    weight_decay: float
    epochs: int
    minibatch: int
    warmup_updates: int


@dataclass
class ImitationSettings:
    weight: float
    rollouts: int
    samples: int


@dataclass
class PPOSettings:
    actor: OptimizerSettings
    critic: OptimizerSettings
    imitation: ImitationSettings
    novelty: float
    accumulation: int
    advantage: str
    advantage_normalization: str
    advantage_floor: float
    gae_lambda: float
    clip: float
    value_clip: float | None
    entropy: float
    entropy_end: float
    value_coefficient: float
    max_gradient_norm: float
    target_kl: float | None
    learning_rate_end: float
    truncation: str
    adam_eps: float
    max_bad_updates: int


@dataclass
class BaselineSettings:
    widths: list[int]
    backward: bool
    step_size: float
    epsilon: float
    epsilon_end: float


@dataclass
class LogSettings:
    tensorboard: bool
    checkpoint_interval: int
    keep_checkpoints: int
    eval_interval: int
    eval_episodes: int
    eval_episodes_final: int
    stop_at: float | None
    decisions_per_update: int
    decisions_max: int
    probe_states: int
    probe_interval: int
    max_failed_episodes: float


@dataclass
class TrainSettings:
    name: str | None
    seed: int
    total_steps: int
    num_envs: int
    rollout_steps: int
    run_dir: str | None
    resume: str | None
    plan: bool
    deterministic: bool
    env: EnvSettings
    model: ModelSettings
    policy: PolicySettings
    ppo: PPOSettings
    log: LogSettings
    method: str
    baseline: BaselineSettings


@dataclass
class InspectSettings:
    checkpoint: str | None
    which: str
    state: str
    normalization: str | None
    compare: bool
    json: bool
    seed: int
    overrides: list[str]
    env: EnvSettings | None
    model: ModelSettings
    policy: PolicySettings


SCHEMAS: dict[str, Any] = {"train": TrainSettings, "inspect": InspectSettings}


def conf_dir() -> Path:
    """The folder of the shipped settings (`conf/`, installed as `twosome_conf`)."""
    import twosome_conf

    return Path(twosome_conf.__path__[0]).resolve()


def register() -> None:
    """Tell Hydra the shape of the settings."""
    from hydra.core.config_store import ConfigStore

    for name, schema in SCHEMAS.items():
        ConfigStore.instance().store(name=f"{name}_settings", node=schema)


def compose(overrides: list[str], config_name: str = "train") -> Any:
    """The settings of a command line, checked. Raises `ConfigError` with the nearest valid name."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from twosome.complaints import check_override, explain

    register()
    for override in overrides:
        if complaint := check_override(override, config_name):
            raise ConfigError(complaint)
    if config_name == "eval":  # Hydra reads `env=` as a choice of one file, but a policy is evaluated in any number of worlds
        overrides = [f"envs={o.removeprefix('env=')}" if o.startswith("env=") else o for o in overrides]
    overrides = [f"++{o}" if o.startswith("env.kwargs.") else o for o in overrides]  # an open mapping: any key may be added
    try:
        with initialize_config_dir(config_dir=str(conf_dir()), version_base="1.3"):
            cfg = hydra_compose(config_name, overrides=overrides)
        return checked(cfg, overrides, config_name)
    except ConfigError:
        raise
    except (HydraException, OmegaConfBaseException, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(explain(error, overrides, config_name)) from None


def checked(cfg: Any, overrides: list[str], config_name: str) -> Any:
    """Composed settings after every check; for `resume=PATH` those that the run has saved. Raises `ConfigError`."""
    if config_name == "train":
        check(cfg)
        if cfg.resume is not None:
            if cfg.run_dir is not None:
                raise ConfigError("resume and run_dir contradict each other: a run is continued where it lies. Leave run_dir out.")
            from twosome.saved import continued

            return continued(cfg, overrides)
    elif config_name in SCHEMAS:
        check_values(cfg)
    return cfg


def known_names(config_name: str) -> list[str]:
    """The dotted names of a command's settings, where it has no schema the keys of its file."""
    if config_name in SCHEMAS:
        return setting_names(SCHEMAS[config_name])
    text = (conf_dir() / f"{config_name}.yaml").read_text(encoding="utf-8")
    return re.findall(r"^(\w+):", text, flags=re.MULTILINE)


def setting_names(node: Any = TrainSettings, prefix: str = "") -> list[str]:
    """All dotted names of the settings."""
    import dataclasses
    import typing

    names = []
    for name, kind in typing.get_type_hints(node).items():
        nested = next((k for k in (kind, *typing.get_args(kind)) if dataclasses.is_dataclass(k)), None)
        names += [f"{prefix}{name}", *(setting_names(nested, f"{prefix}{name}.") if nested else [])]
    return names
