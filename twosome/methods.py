"""Which policy learns, and how: the language model, or a baseline behind the same rollout, evaluation and logging."""

from __future__ import annotations

import os
from typing import Any

import torch


def build(cfg: Any, generator: torch.Generator) -> tuple[Any, Any]:
    """The policy and the learner of `cfg.method`. `generator` orders what is random in learning."""
    if cfg.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
        torch.use_deterministic_algorithms(True)
    if cfg.method == "tabular":
        from twosome.baselines.tabular import QLearner, QTable

        table = QTable(cfg)
        return table, QLearner(table, cfg)
    from twosome.ppo import Learner
    from twosome.rollout import make_env

    if cfg.method == "mlp":
        from twosome.baselines.mlp import MLPPolicy

        env = make_env(cfg.env)
        policy: Any = MLPPolicy(cfg, env.observation_space["vector"].high, int(env.action_space.n))  # type: ignore[index,attr-defined]
        env.close()
    else:
        from twosome.api import build_policy

        policy = build_policy(cfg)
    return policy, Learner(policy, cfg.ppo, generator)
