"""The shape of the settings: names, types and constraints, so that a wrong one is refused before anything is loaded.

Every number has its home in `conf/*.yaml`, with its unit and what more and less of it do. A default here belongs to a
setting that came after the first saved runs: it is the value that leaves those as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twosome.config.constraints import above, at_least, at_most, below, finite, fraction, one_of, setting
from twosome.config.learners import (
    ExpectedSettings,
    OptimizerSettings,
    PreferenceSettings,
    QHeadSettings,
    RewardSettings,
)
from twosome.types import NORMALIZATIONS

SMALLEST_BUDGET = 64  # tokens; a shorter pass holds no prompt with its menu


@dataclass(kw_only=True)
class EnvSettings:
    id: str
    kwargs: dict[str, Any]
    gamma: float = setting(fraction())
    optimum: float | None = setting(finite())
    step_timeout: float | None = setting(at_least(0.01), at_most(1e6), default=None)


@dataclass(kw_only=True)
class AgentSettings:
    id: str
    cost: float = setting(at_least(0), at_most(1e6))
    max_internal: int = setting(above(0), at_most(1_000_000))
    states: int = setting(above(0), at_most(1_000_000))


@dataclass(kw_only=True)
class LoraSettings:
    rank: int = setting(above(0), at_most(2**14))
    alpha: int = setting(above(0))
    dropout: float = setting(at_least(0), below(1, "nothing would be left of the adapter"))
    targets: Any  # "all-linear", a list of module names, or null for PEFT's choice for the architecture


@dataclass(kw_only=True)
class ValueHeadSettings:
    kind: str = setting(one_of("linear", "mlp"))
    widths: list[int] = setting(above(0), at_most(2**16))
    layer_norm: bool


@dataclass(kw_only=True)
class ModelSettings:
    name: str
    revision: str | None
    dtype: str = setting(one_of("float32", "bfloat16", "float16"))
    quantization: str = setting(one_of("none", "int8", "nf4"))
    device: str
    attention: str = setting(one_of("sdpa", "eager"))
    gradient_checkpointing: bool
    compile: bool
    trust_remote_code: bool
    threads: int | None = setting(above(0), at_most(2**10))
    lora: LoraSettings
    value_head: ValueHeadSettings


@dataclass(kw_only=True)
class PolicySettings:
    normalization: str = setting(one_of(*NORMALIZATIONS))
    prompt: str
    scorer: str = setting(one_of("auto", "trie", "prompt_cache", "separate"))
    token_budget: int = setting(
        at_least(SMALLEST_BUDGET, "a prompt with its menu does not fit into fewer tokens"), at_most(2**24)
    )
    menus_per_row: int = setting(above(0), at_most(2**20))
    reuse: list[str] = setting(one_of("distributions", "decisions", "features"))
    reuse_capacity: int = setting(above(0), at_most(2**26))
    temperature: float = setting(at_least(1e-6), at_most(1e6), default=1.0)
    pooling: str = setting(one_of("last", "mean"), default="last")
    numbers: bool = False
    chat: bool = False
    system: str | None = None
    shortlist: int | None = setting(above(0), at_most(2**20), default=None)


@dataclass(kw_only=True)
class SelfImitationSettings:
    weight: float = setting(at_least(0), at_most(1e6))
    rollouts: int = setting(above(0), at_most(2**20))
    samples: int = setting(above(0), at_most(2**20))


@dataclass(kw_only=True)
class PPOSettings:
    actor: OptimizerSettings
    critic: OptimizerSettings
    accumulation: int = setting(above(0))
    advantage: str = setting(one_of("gae", "group"))
    advantage_normalization: str = setting(one_of("batch", "minibatch", "none"))
    advantage_floor: float = setting(above(0))
    gae_lambda: float = setting(fraction())
    credit: str = setting(one_of("session", "question"), default="session")
    hint: float = setting(at_least(0), at_most(1e6), default=0.0)
    decompose: str = setting(one_of("action", "token"), default="action")
    clip: float = setting(above(0))
    value_clip: float | None = setting(above(0))
    entropy: float = setting(at_least(0))
    entropy_end: float = setting(at_least(0))
    value_coefficient: float = setting(at_least(0))
    max_gradient_norm: float = setting(above(0))
    target_kl: float | None = setting(above(0))
    kl: str = setting(one_of("actions", "menu"), default="actions")
    learning_rate_end: float = setting(at_least(0))
    truncation: str = setting(one_of("bootstrap", "death"))
    adam_eps: float = setting(above(0))
    max_bad_updates: int = setting(above(0))
    self_imitation: SelfImitationSettings
    count_bonus: float = setting(at_least(0), at_most(1e6), default=0.0)


@dataclass(kw_only=True)
class BaselineSettings:
    widths: list[int] = setting(above(0), at_most(2**16))
    backward: bool = True
    step_size: float = setting(above(0), fraction())
    epsilon: float = setting(fraction())
    epsilon_end: float = setting(fraction())


@dataclass(kw_only=True)
class SearchSettings:
    simulations: int = setting(at_least(0), at_most(2**20))
    algorithm: str = setting(one_of("puct", "gumbel"))
    batch: int = setting(above(0))
    c: float = setting(above(0))
    floor: float = setting(at_least(1e-12))
    considered: int = setting(above(0))
    prune: bool
    playouts: int = setting(at_least(0), at_most(1000), default=0)
    noise_share: float = setting(fraction())
    noise_alpha: float = setting(above(0))
    max_passes: int | None = setting(above(0))
    max_seconds: float | None = setting(above(0))


@dataclass(kw_only=True)
class ExpertIterationSettings:
    actor: OptimizerSettings
    critic: OptimizerSettings
    rollouts: int = setting(above(0), at_most(2**20))
    samples: int | None = setting(above(0), at_most(2**20), default=None)
    gae_lambda: float = setting(fraction())
    count_bonus: float = setting(at_least(0), at_most(1e6))
    max_gradient_norm: float = setting(above(0))
    adam_eps: float = setting(above(0))
    max_bad_updates: int = setting(above(0))


@dataclass(kw_only=True)
class MemorySettings:
    use: str = setting(one_of("prompt", "bias", "both", "none"))
    form: str = setting(one_of("example", "own"))
    k: int = setting(at_least(0), at_most(2**10))
    lines: int = setting(above(0), at_most(2**10))
    similarity: str = setting(one_of("exact", "words", "raw", "features"))
    alike: float = setting(fraction())
    goal_weight: float = setting(fraction())
    candidates: int | None = setting(above(0), at_most(2**10))
    similarity_weight: float = setting(fraction())
    tau: float = setting(at_least(1e-6), at_most(1e6))
    n: int | None = setting(above(0), at_most(2**20))
    alpha: float | None = setting(above(0), fraction())
    power: float = setting(fraction())
    bonus: float = setting(at_least(0), at_most(1e6))
    bonus_n: int | None = setting(above(0), at_most(2**20))
    bonus_alpha: float | None = setting(above(0), fraction())
    bonus_tau: float = setting(at_least(1e-6), at_most(1e6))
    unknown: float = setting(finite())
    capacity: int = setting(above(0), at_most(2**24))
    init: str | None = None


@dataclass(kw_only=True)
class LogSettings:
    tensorboard: bool
    checkpoint_interval: int = setting(above(0))
    keep_checkpoints: int = setting(above(0))
    eval_interval: int = setting(at_least(0))
    eval_episodes: int = setting(above(0))
    eval_episodes_final: int = setting(above(0))
    stop_at: float | None = setting(above(0), fraction())
    decisions_per_update: int = setting(at_least(0))
    decisions_max: int = setting(at_least(0))
    tracked_states: int = setting(at_least(0))
    tracked_interval: int = setting(above(0))
    max_failed_episodes: float = setting(fraction())
    wandb: str | None = None


@dataclass(kw_only=True)
class TrainSettings:
    name: str | None
    seed: int = setting(at_least(0), at_most(2**32 - 1))
    total_steps: int = setting(above(0))
    num_envs: int = setting(above(0), at_most(2**14))
    num_workers: int = setting(at_least(0), at_most(2**10), default=0)
    rank_timeout: float = setting(above(0), at_most(10**7), default=600.0)
    rollout_steps: int = setting(above(0), at_most(2**20))
    run_dir: str | None
    resume: str | None
    init: str | None = None
    plan: bool
    deterministic: bool
    env: EnvSettings
    agent: AgentSettings | None = None  # of a command line alone, which it makes part of `env`
    model: ModelSettings
    policy: PolicySettings
    ppo: PPOSettings
    search: SearchSettings
    expert_iteration: ExpertIterationSettings
    preference: PreferenceSettings
    reward: RewardSettings
    q_head: QHeadSettings
    expected: ExpectedSettings
    memory: MemorySettings
    log: LogSettings
    method: str = setting(
        one_of(
            "twosome", "search", "clone", "preference", "qhead", "expected", "memory", "memory_ppo", "mlp", "tabular"
        )
    )
    baseline: BaselineSettings


@dataclass(kw_only=True)
class InspectSettings:
    checkpoint: str | None
    which: str = setting(one_of("newest", "best"))
    state: str
    normalization: str | None = setting(one_of(*NORMALIZATIONS))
    compare: bool
    json: bool
    memory_from: str | None
    overrides: list[str]
    env: EnvSettings | None
    agent: AgentSettings | None = None
    model: ModelSettings
    policy: PolicySettings
    search: SearchSettings
    seed: int = setting(at_least(0), at_most(2**32 - 1))


@dataclass(kw_only=True)
class EvalSettings:
    checkpoint: Any  # a text, a list of texts, or null
    which: str = setting(one_of("newest", "best"))
    envs: Any  # names of conf/env, likewise
    episodes: int = setting(above(0))
    num_workers: int = setting(at_least(0), at_most(2**10), default=0)
    seed: int = setting(at_least(0), at_most(2**32 - 1))
    out: str | None
    report: bool
    report_episodes: int = setting(above(0))
    memory_from: str | None
    overrides: list[str]
    search: SearchSettings


@dataclass(kw_only=True)
class PlaySettings:
    env: EnvSettings
    agent: AgentSettings | None = None
    seed: int = setting(at_least(0), at_most(2**32 - 1))
    transcript: str | None
    replay: str | None
    hint: str | None = setting(one_of("search"))
    checkpoint: str | None
    memory_from: str | None
    overrides: list[str]
    search: SearchSettings


_COMMANDS = (TrainSettings, EvalSettings, InspectSettings, PlaySettings)
SCHEMAS: dict[str, type] = {schema.__name__.removesuffix("Settings").lower(): schema for schema in _COMMANDS}


def conf_dir() -> Path:
    """The folder of the shipped settings (`conf/`, installed as `twosome_conf`)."""
    import twosome_conf

    return Path(twosome_conf.__path__[0]).resolve()
