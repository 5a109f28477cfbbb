"""The settings of learners, and of their optimisers: a part of `schema`, which says what a default here is."""

from __future__ import annotations

from dataclasses import dataclass

from twosome.config.constraints import above, at_least, at_most, fraction, one_of, setting


@dataclass(kw_only=True)
class OptimizerSettings:
    learning_rate: float = setting(above(0))
    weight_decay: float = setting(at_least(0))
    epochs: int = setting(above(0))
    minibatch: int = setting(above(0))
    warmup_updates: int = setting(at_least(0))


@dataclass(kw_only=True)
class PreferenceSettings:
    actor: OptimizerSettings
    share: float = setting(above(0), fraction())
    horizon: int | None = setting(above(0), at_most(2**31))
    credit: str = setting(one_of("session", "question"), default="session")
    delta: float = setting(at_least(0))
    weighted: bool = False
    beta: float = setting(above(0), at_most(1e6))
    rollouts: int = setting(above(0), at_most(2**20))
    max_gradient_norm: float = setting(above(0))
    adam_eps: float = setting(above(0))
    max_bad_updates: int = setting(above(0))


@dataclass(kw_only=True)
class RewardSettings:
    kind: str = setting(one_of("exact", "surprise"))
    cap: float = setting(above(0), at_most(1e6))
    cost_warmup: float = setting(fraction())


@dataclass(kw_only=True)
class QHeadSettings:
    critic: OptimizerSettings
    replay: int = setting(above(0), at_most(2**20))
    n: int = setting(above(0), at_most(2**20))
    credit: str = setting(one_of("session", "question"), default="session")
    double: bool
    count_bonus: float = setting(at_least(0), at_most(1e6), default=0.0)
    learning_rate_end: float = setting(at_least(0))
    target_rate: float = setting(above(0), fraction())
    target_interval: int = setting(above(0))
    tau: float = setting(at_least(1e-6), at_most(1e6))
    tau_end: float = setting(at_least(1e-6), at_most(1e6))
    epsilon: float = setting(at_least(0), at_most(0.999))
    epsilon_end: float = setting(at_least(0), at_most(0.999))
    max_gradient_norm: float = setting(above(0))
    adam_eps: float = setting(above(0))
    max_bad_updates: int = setting(above(0))


@dataclass(kw_only=True)
class ExpectedSettings:
    actor: OptimizerSettings
    states: int = setting(above(0), at_most(2**20))
    entropy: float = setting(at_least(0))
    entropy_end: float = setting(at_least(0))
