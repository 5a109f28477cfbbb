"""The shape of the settings: names and types, so that a wrong key or type is refused before anything is loaded.

Every number has its home in `conf/*.yaml`, with its unit and what more and less of it do; there are no defaults here.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twosome.types import NORMALIZATIONS, ConfigError


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
class PPOSettings:
    actor: OptimizerSettings
    critic: OptimizerSettings
    accumulation: int
    advantage: str
    advantage_normalization: str
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
    env: EnvSettings
    model: ModelSettings
    policy: PolicySettings
    ppo: PPOSettings
    log: LogSettings
    method: str
    baseline: BaselineSettings


CHOICES = {
    "model.dtype": ("float32", "bfloat16", "float16"),
    "model.quantization": ("none", "int8", "nf4"),
    "model.attention": ("sdpa", "eager"),
    "model.value_head.kind": ("linear", "mlp"),
    "policy.normalization": NORMALIZATIONS,
    "policy.scorer": ("auto", "forest", "prompt_cache", "separate"),
    "method": ("twosome", "mlp", "tabular"),
    "ppo.advantage": ("gae", "group"),
    "ppo.advantage_normalization": ("batch", "minibatch", "none"),
    "ppo.truncation": ("bootstrap", "death"),
}
REUSE = ("distributions", "decisions", "features")
POSITIVE = (
    "total_steps num_envs rollout_steps model.lora.rank model.lora.alpha policy.token_budget policy.menus_per_row "
    "policy.reuse_capacity ppo.actor.epochs ppo.actor.minibatch ppo.critic.epochs ppo.critic.minibatch ppo.accumulation "
    "ppo.actor.learning_rate ppo.critic.learning_rate ppo.clip ppo.max_gradient_norm ppo.adam_eps ppo.max_bad_updates "
    "log.checkpoint_interval log.keep_checkpoints log.eval_episodes log.eval_episodes_final"
).split()
NOT_NEGATIVE = (
    "seed ppo.actor.weight_decay ppo.critic.weight_decay ppo.actor.warmup_updates ppo.critic.warmup_updates ppo.entropy "
    "ppo.entropy_end ppo.value_coefficient ppo.learning_rate_end log.eval_interval"
).split()
FRACTIONS = ("env.gamma", "ppo.gae_lambda", "model.lora.dropout", "log.max_failed_episodes")


def conf_dir() -> Path:
    """The folder of the shipped settings (`conf/`, installed as `twosome_conf`)."""
    import twosome_conf

    return Path(twosome_conf.__path__[0]).resolve()


def register() -> None:
    """Tell Hydra the shape of the settings."""
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(name="train_settings", node=TrainSettings)


def compose(overrides: list[str], config_name: str = "train") -> Any:
    """The settings of a command line, checked. Raises `ConfigError` with the nearest valid name."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    register()
    try:
        with initialize_config_dir(config_dir=str(conf_dir()), version_base="1.3"):
            cfg = hydra_compose(config_name, overrides=overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error, overrides)) from None
    if config_name == "train":
        check(cfg)
    return cfg


def explain(error: Exception, overrides: list[str]) -> str:
    """Hydra's complaint in one paragraph, with the nearest valid name."""
    text = " ".join(str(error.__cause__ or error).split())
    if missing := re.search(r"Could not find '(\w+)/([\w./-]+)'|In '[\w]+': Could not find '(\w+)/([\w./-]+)'", str(error)):
        group, name = missing.group(1) or missing.group(3), missing.group(2) or missing.group(4)
        known = sorted(p.stem for p in (conf_dir() / group).glob("*.yaml"))
        return f"Unknown {group} {name!r}.{near(name, known)} Known: {', '.join(known)}."
    if key := re.search(r"Key '([^']+)' is not in struct|Key '([^']+)' not in '", text):
        name = key.group(1) or key.group(2)
        full = next((o.split("=")[0].lstrip("+~") for o in overrides if name in o.split("=")[0].split(".")), name)
        return f"Unknown setting {full!r}.{near(full, setting_names())} `twosome-train --cfg job` lists all settings."
    return text


def near(name: str, known: list[str]) -> str:
    """' Did you mean ...?' or nothing. A key is compared whole and by its last part."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if not close:
        close = [k for k in known if k.split(".")[-1] in difflib.get_close_matches(name.split(".")[-1], [k.split(".")[-1]])]
    return f" Did you mean {close[0]!r}?" if close else ""


def setting_names(node: Any = TrainSettings, prefix: str = "") -> list[str]:
    """All dotted names of the settings."""
    import dataclasses
    import typing

    names = []
    for name, kind in typing.get_type_hints(node).items():
        nested = dataclasses.is_dataclass(kind)
        names += [f"{prefix}{name}", *(setting_names(kind, f"{prefix}{name}.") if nested else [])]
    return names


def check(cfg: Any) -> None:
    """Refuse values that cannot work, before anything is loaded. Raises `ConfigError` naming the key."""
    from omegaconf import OmegaConf

    def get(key: str) -> Any:
        return OmegaConf.select(cfg, key)

    def refuse(key: str, expected: str) -> None:
        raise ConfigError(f"{key}={get(key)} cannot work: expected {expected}.")

    for key, choices in CHOICES.items():
        if get(key) not in choices:
            raise ConfigError(f"{key}={get(key)!r} is unknown.{near(str(get(key)), list(choices))} Known: {', '.join(choices)}.")
    for part in cfg.policy.reuse:
        if part not in REUSE:
            raise ConfigError(f"policy.reuse holds {part!r}.{near(part, list(REUSE))} Known: {', '.join(REUSE)}.")
    for key in POSITIVE:
        if not get(key) > 0:
            refuse(key, "a number above 0")
    for key in NOT_NEGATIVE:
        if not get(key) >= 0:
            refuse(key, "0 or more")
    for key in FRACTIONS:
        if not 0 <= get(key) <= 1:
            refuse(key, "a number from 0 to 1")
    if not cfg.env.id:
        raise ConfigError("env.id is empty: expected a gymnasium id such as 'twosome_envs:twosome/TomatoSalad-v0'.")
    samples = cfg.num_envs * cfg.rollout_steps
    group = cfg.ppo.actor.minibatch * cfg.ppo.accumulation
    for key, size in (("ppo.actor.minibatch x ppo.accumulation", group), ("ppo.critic.minibatch", cfg.ppo.critic.minibatch)):
        if size > samples:
            raise ConfigError(
                f"{key} = {size} is more than the num_envs x rollout_steps = {cfg.num_envs} x {cfg.rollout_steps} = {samples} "
                "decisions of a rollout. Lower it, or collect more."
            )
    if cfg.ppo.advantage_normalization == "minibatch" and cfg.ppo.actor.minibatch < 2:
        raise ConfigError("ppo.advantage_normalization=minibatch needs ppo.actor.minibatch of 2 or more.")
    if cfg.model.value_head.kind == "mlp" and not all(w > 0 for w in cfg.model.value_head.widths):
        refuse("model.value_head.widths", "positive widths")
    if cfg.model.quantization != "none" and cfg.model.compile:
        raise ConfigError("model.compile=true does not work with model.quantization; turn one of the two off.")
    if cfg.model.threads is not None and cfg.model.threads < 1:
        refuse("model.threads", "1 or more, or null")
    from twosome.prompts import check_template

    check_template(cfg.policy.prompt)
