"""Settings -> policy and learner: which policy learns, and how. Baselines stand behind the same rollout and logging."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Dict, Discrete

from twosome.agents.action_values import ActionValuePolicy, QPolicy
from twosome.agents.branches import Branches
from twosome.agents.demonstrator import demonstrate
from twosome.agents.frozen import frozen_log_probs, surprises
from twosome.agents.llm_policy import LLMPolicy
from twosome.agents.planner import Planner
from twosome.agents.remembering import Remembering
from twosome.config.names import ACTION_VALUES, REMEMBERING
from twosome.config.schema import InspectSettings, TrainSettings
from twosome.errors import ConfigError
from twosome.lm.adapter import add_adapter, compile_layers
from twosome.lm.loading import load_lm
from twosome.lm.numbers import PLACES
from twosome.lm.value_head import ActionValueHead, ValueHead
from twosome.memory.learner import MemoryLearner
from twosome.memory.records import Records
from twosome.memory.similarity import Features, Similarity, Words, exact
from twosome.protocols import KeepBadBatch, Learner, TrainedPolicy
from twosome.rl.expected import Expected
from twosome.rl.expert_iteration import ExpertIteration
from twosome.rl.ppo import PPO
from twosome.rl.preference import Preference
from twosome.rl.q_head import QHead
from twosome.rl.q_learning import QLearner
from twosome.rollout.contract import close_env, make_env
from twosome.rollout.driver import Deliberation
from twosome.systems.baselines.mlp import MLPPolicy
from twosome.systems.baselines.tabular import QTable
from twosome.systems.beside import PPOWithMemory
from twosome.systems.rewarded import Rewarded

if TYPE_CHECKING:
    from twosome.config.schema import EnvSettings, MemorySettings


class System(NamedTuple):
    """What a method is made of.

    `deliberation`: what chooses in training instead of the policy, or plays beside it; `remembering`: what
    reminds of experience; None for most.
    """

    policy: TrainedPolicy
    learner: Learner
    deliberation: Deliberation | None = None
    remembering: Remembering | None = None


def build(cfg: TrainSettings, generator: torch.Generator, keep_bad_batch: KeepBadBatch | None = None) -> System:
    """The system of `cfg.method`. `generator` orders what is random in learning."""
    if cfg.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
        torch.use_deterministic_algorithms(True)
    if cfg.method == "tabular":
        table = QTable(cfg.baseline)
        return System(table, QLearner(table, cfg.baseline))
    if cfg.method == "search":
        return build_search(cfg, generator)
    if cfg.method == "clone":
        clone = build_policy(cfg)
        return System(clone, ExpertIteration(clone, cfg.expert_iteration, generator), demonstrate)
    if cfg.method == "preference":
        return build_preference(cfg, generator)
    if cfg.method in ACTION_VALUES:
        return build_action_values(cfg, generator)
    if cfg.method in REMEMBERING:
        return build_memory(cfg, generator, keep_bad_batch)
    if cfg.method == "mlp":
        network = build_mlp(cfg)
        return System(network, PPO(network, cfg.ppo, generator, keep_bad_batch))
    policy = build_policy(cfg)
    ppo = PPO(policy, cfg.ppo, generator, keep_bad_batch)
    if cfg.reward.kind == "exact" and not cfg.reward.cost_warmup:
        return System(policy, ppo)
    reward = partial(surprises, policy, cap=cfg.reward.cap) if cfg.reward.kind == "surprise" else None
    return System(policy, Rewarded(ppo, reward, cfg.reward.cost_warmup))


def build_search(cfg: TrainSettings, generator: torch.Generator) -> System:
    """Expert iteration: a policy, a search around it, and a learner of what the search proposes."""
    policy = build_policy(cfg)
    learner = ExpertIteration(policy, cfg.expert_iteration, generator)
    return System(policy, learner, Planner(policy, cfg.search, cfg.seed, is_training=True, bonus=learner.bonus))


def build_preference(cfg: TrainSettings, generator: torch.Generator) -> System:
    """DPO: a policy, two branches played at its decisions, and a learner of which of them returned more."""
    policy = build_policy(cfg)
    branches = Branches(policy, cfg.preference, cfg.seed)
    reference = partial(frozen_log_probs, policy)
    return System(policy, Preference(policy, cfg.preference, generator, branches.take, reference), branches)


def build_action_values(cfg: TrainSettings, generator: torch.Generator) -> System:
    """A critic of actions, learnt from replay: the policy acts by it, or is an actor that climbs it."""
    policy = build_policy(cfg)
    if isinstance(policy, QPolicy):
        return System(policy, QHead(policy, cfg.q_head, generator))
    assert isinstance(policy, ActionValuePolicy)
    return System(policy, Expected(policy, cfg.expected, cfg.q_head, generator))


def build_memory(cfg: TrainSettings, generator: torch.Generator, keep_bad_batch: KeepBadBatch | None) -> System:
    """Rememberer: a policy that is reminded of what its actions have led to. Its weights stay, or PPO moves them."""
    policy, records = build_policy(cfg), Records(cfg.memory)
    remembering = Remembering(records, similarity_of(cfg.memory, policy), cfg.memory)
    policy.remind(remembering)
    memory = MemoryLearner(records, cfg.num_envs)
    if cfg.method == "memory":
        return System(policy, memory, remembering=remembering)
    ppo = PPO(policy, cfg.ppo, generator, keep_bad_batch)
    return System(policy, PPOWithMemory(ppo, memory), remembering=remembering)


def similarity_of(settings: MemorySettings, policy: LLMPolicy) -> Similarity:
    """How states are compared; features are those of the frozen backbone, which the critic reads too."""
    if settings.similarity in ("raw", "features"):

        def embed(texts: Sequence[str]) -> np.ndarray:
            return policy.features(list(texts)).cpu().numpy()

        return Features(embed, settings.goal_weight, raw=settings.similarity == "raw")
    return Words() if settings.similarity == "words" else exact


def build_policy(cfg: TrainSettings | InspectSettings, *, adapter: bool = True) -> LLMPolicy:
    """A fresh policy of a language model: the model, a new LoRA adapter, a new value head.

    Without the `adapter` it cannot learn, but is ready sooner: a new one changes no score.
    """
    if cfg.model.threads is not None:
        torch.set_num_threads(cfg.model.threads)
    torch.manual_seed(cfg.seed)
    lm, tokenizer = load_lm(cfg.model)
    width = lm.get_output_embeddings().weight.shape[-1]
    device = lm.get_input_embeddings().weight.device
    if adapter:
        lm = add_adapter(lm, cfg.model.lora, cfg.model.gradient_checkpointing)
    values_actions = isinstance(cfg, TrainSettings) and cfg.method in ACTION_VALUES
    head = ActionValueHead if values_actions else ValueHead
    value_head = head(width + PLACES * cfg.policy.numbers, cfg.model.value_head).to(device)
    if cfg.model.compile:
        compile_layers(lm)
    parts = lm, tokenizer, value_head, cfg.policy
    if isinstance(cfg, TrainSettings) and cfg.method == "qhead":
        return QPolicy(*parts, q_head=cfg.q_head)
    return ActionValuePolicy(*parts) if values_actions else LLMPolicy(*parts)


def build_mlp(cfg: TrainSettings) -> MLPPolicy:
    """A fresh policy of a small network, shaped by the environment's observation and actions."""
    high, n_actions = _shape(cfg.env)
    torch.manual_seed(cfg.seed)
    return MLPPolicy(high, n_actions, cfg.baseline.widths, cfg.model.value_head)


def _shape(settings: EnvSettings) -> tuple[torch.Tensor, int]:
    """The upper bounds of the numeric observation, and the number of actions.

    Raises `ConfigError` where there are none.
    """
    env = make_env(settings)
    try:
        observation, action = env.observation_space, env.action_space
        if not isinstance(observation, Dict) or "vector" not in observation.spaces or not isinstance(action, Discrete):
            raise ConfigError(
                f"method=mlp reads numbers, and {settings.id} gives none: expected an observation space with a Box "
                "`vector` and a Discrete action space."
            )
        return torch.as_tensor(observation["vector"].high), int(action.n)  # type: ignore[attr-defined]
    finally:
        close_env(env, settings.step_timeout)
