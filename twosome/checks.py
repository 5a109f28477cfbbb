"""Values of settings that cannot work, and pairs that contradict each other, refused before anything is loaded."""

from __future__ import annotations

import difflib
import functools
import math
import re
from typing import Any

from twosome.types import NORMALIZATIONS, ConfigError

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
POSITIVE = [
    "total_steps", "num_envs", "rollout_steps", "model.lora.rank", "model.lora.alpha", "policy.menus_per_row",
    "policy.reuse_capacity", "ppo.actor.epochs", "ppo.actor.minibatch", "ppo.critic.epochs", "ppo.critic.minibatch",
    "ppo.accumulation", "ppo.actor.learning_rate", "ppo.critic.learning_rate", "ppo.clip", "ppo.advantage_floor",
    "ppo.value_clip", "ppo.target_kl", "ppo.imitation.rollouts", "ppo.imitation.samples", "ppo.max_gradient_norm", "ppo.adam_eps", "ppo.max_bad_updates",
    "log.checkpoint_interval", "log.probe_interval", "log.keep_checkpoints", "log.eval_episodes",
    "log.eval_episodes_final", "log.stop_at", "model.threads", "baseline.step_size",
]
NOT_NEGATIVE = [
    "seed", "ppo.actor.weight_decay", "ppo.critic.weight_decay", "ppo.actor.warmup_updates",
    "ppo.critic.warmup_updates", "ppo.entropy", "ppo.entropy_end", "ppo.value_coefficient", "ppo.learning_rate_end",
    "ppo.novelty", "ppo.imitation.weight", "log.eval_interval", "log.decisions_per_update", "log.decisions_max", "log.probe_states",
]
FRACTIONS = [
    "env.gamma", "ppo.gae_lambda", "model.lora.dropout", "log.max_failed_episodes", "log.stop_at", "baseline.step_size",
    "baseline.epsilon", "baseline.epsilon_end",
]
AT_MOST = {"seed": 2**32 - 1, "ppo.novelty": 1e6, "ppo.imitation.weight": 1e6, "num_envs": 2**14, "rollout_steps": 2**20, "model.lora.rank": 2**14, "policy.token_budget": 2**24}
SMALLEST_BUDGET = 64  # tokens; a shorter pass holds no prompt with its menu
DEVICE = re.compile(r"auto|cpu|mps|xpu|cuda(:\d{1,3})?")


def near(name: str, known: list[str]) -> str:
    """' Did you mean ...?' or nothing. A key is compared whole, then by its last part."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if not close:
        close = [k for k in known if k.split(".")[-1] in difflib.get_close_matches(name.split(".")[-1], [k.split(".")[-1]])]
    return f" Did you mean {close[0]!r}?" if close else ""


def refuse(cfg: Any, key: str, expected: str) -> None:
    from omegaconf import OmegaConf

    raise ConfigError(f"{key}={OmegaConf.select(cfg, key)} cannot work: expected {expected}.")


def check_values(cfg: Any) -> None:
    """The checks of single values, of those that these settings have. Raises `ConfigError` naming the key."""
    given = {}
    for key in (*CHOICES, *POSITIVE, *NOT_NEGATIVE, *FRACTIONS, *AT_MOST):
        group, _, name = key.rpartition(".")
        node = functools.reduce(lambda n, k: n.get(k) if n else None, group.split(".") if group else (), cfg)
        if node and node.get(name) is not None:
            given[key] = node[name]
    for key, choices in CHOICES.items():
        if key in given and given[key] not in choices:
            raise ConfigError(f"{key}={given[key]!r} is unknown.{near(str(given[key]), list(choices))} Known: {', '.join(choices)}.")
    for part in cfg.policy.reuse:
        if part not in REUSE:
            raise ConfigError(f"policy.reuse holds {part!r}.{near(str(part), list(REUSE))} Known: {', '.join(REUSE)}.")
    for keys, expected, is_good in (
        (POSITIVE, "a finite number above 0", lambda x: x > 0),
        (NOT_NEGATIVE, "a finite number, 0 or more", lambda x: x >= 0),
        (FRACTIONS, "a number from 0 to 1", lambda x: 0 <= x <= 1),
    ):
        for key in keys:
            if key in given and not (math.isfinite(given[key]) and is_good(given[key])):
                refuse(cfg, key, expected)
    for key, most in AT_MOST.items():
        if key in given and given[key] > most:
            refuse(cfg, key, f"at most {most}")
    if cfg.policy.token_budget < SMALLEST_BUDGET:
        refuse(cfg, "policy.token_budget", f"{SMALLEST_BUDGET} or more: a prompt with its menu does not fit into fewer tokens")
    _check_model(cfg)
    from twosome.prompts import check_template

    check_template(cfg.policy.prompt)


def _check_model(cfg: Any) -> None:
    model = cfg.model
    if not model.name.strip():
        refuse(cfg, "model.name", "`tiny`, a folder or a hub name")
    if not DEVICE.fullmatch(model.device):
        raise ConfigError(f"model.device={model.device} is unknown.{near(model.device, ['auto', 'cpu', 'mps', 'cuda'])} Known: auto, cpu, mps, cuda, cuda:1.")
    if model.value_head.kind == "mlp" and not (model.value_head.widths and all(0 < w <= 2**20 for w in model.value_head.widths)):
        refuse(cfg, "model.value_head.widths", "one or more positive widths")
    if model.lora.dropout == 1:
        refuse(cfg, "model.lora.dropout", "less than 1: nothing would be left of the adapter")
    targets = model.lora.targets
    named = [targets] if isinstance(targets, str) else targets
    if targets is not None and (isinstance(named, (bool, int, float)) or not named or not all(isinstance(t, str) and t for t in named)):
        refuse(cfg, "model.lora.targets", "all-linear, a list of layer names such as [q_proj, v_proj], or null")
    if model.quantization != "none" and model.compile:
        raise ConfigError("model.compile=true does not work with model.quantization; turn one of the two off.")


def check(cfg: Any) -> None:
    """Refuse settings of a training run that cannot work. Raises `ConfigError` naming the key."""
    from omegaconf import OmegaConf

    from twosome.config import setting_names

    if missing := sorted(OmegaConf.missing_keys(cfg)):
        raise ConfigError(f"{missing[0]} is missing: give it as {missing[0]}=VALUE.")
    known = setting_names()
    for key in _names(OmegaConf.to_container(cfg, resolve=True)):
        if key not in known and not key.startswith("env.kwargs."):
            raise ConfigError(f"Unknown setting {key!r}.{near(key, known)} `twosome-train --cfg job` lists all settings.")
    check_values(cfg)
    if not cfg.env.id.strip():
        raise ConfigError("env.id is empty: expected a gymnasium id such as 'twosome_envs:twosome/TomatoSalad-v0'.")
    if cfg.env.optimum is not None and not math.isfinite(cfg.env.optimum):
        refuse(cfg, "env.optimum", "a finite number, or null")
    for key in ("run_dir", "resume", "name"):
        if cfg[key] is not None and (not cfg[key].strip() or "\0" in cfg[key]):
            refuse(cfg, key, "a name, or null")
    if not all(w > 0 for w in cfg.baseline.widths):
        refuse(cfg, "baseline.widths", "positive widths")
    _check_pairs(cfg)


def _check_pairs(cfg: Any) -> None:
    """Settings that contradict each other."""
    samples = cfg.num_envs * cfg.rollout_steps
    group = cfg.ppo.actor.minibatch * cfg.ppo.accumulation
    for key, size in (("ppo.actor.minibatch x ppo.accumulation", group), ("ppo.critic.minibatch", cfg.ppo.critic.minibatch)):
        have = f"num_envs x rollout_steps = {cfg.num_envs} x {cfg.rollout_steps} = {samples} decisions of a rollout"
        if size > samples:
            raise ConfigError(f"{key} = {size} is more than the {have}. Lower it, or collect more.")
        if samples % size:
            below = max(d for d in range(1, size) if samples % d == 0)
            above = min(d for d in range(size, samples + 1) if samples % d == 0)
            raise ConfigError(f"{key} = {size} does not divide the {have}: a rest would make a step of its own. Take {below} or {above}.")
    if cfg.ppo.advantage_normalization == "minibatch" and cfg.ppo.actor.minibatch < 2:
        raise ConfigError("ppo.advantage_normalization=minibatch needs ppo.actor.minibatch of 2 or more.")
    if cfg.log.stop_at is not None and cfg.env.optimum is None:
        raise ConfigError(f"log.stop_at={cfg.log.stop_at} is a share of env.optimum, which is not known for {cfg.env.id}: give it, or log.stop_at=null.")
    if cfg.log.stop_at is not None and cfg.log.eval_interval == 0:
        raise ConfigError(f"log.stop_at={cfg.log.stop_at} looks at evaluations, but log.eval_interval=0 makes none. Set one of the two otherwise.")


def _names(node: Any, prefix: str = "") -> list[str]:
    if isinstance(node, dict) and node:
        return [name for key, value in node.items() for name in _names(value, f"{prefix}{key}.")]
    return [prefix.rstrip(".")]
