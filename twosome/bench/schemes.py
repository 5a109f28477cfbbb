"""What is compared: our scorer, our scorer with one shortcut off, and the schemes of others. One interface for all."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from twosome.agents.llm_policy import LLMPolicy
from twosome.bench.models import Built
from twosome.bench.published import Published
from twosome.config.schema import TrainSettings
from twosome.lm.scorers import forward_at
from twosome.lm.value_head import ValueHead
from twosome.rl.ppo import PPO
from twosome.types import Decision, LanguageModel, Rollout

PUBLISHED = "published"
OURS = "ours"


@dataclass(frozen=True)
class Scheme:
    """One way to score menus.

    `key`: on the command line and in the JSON; `changes`: of `conf/policy`; `all_logits`: the LM head runs at every
    position.
    """

    key: str
    label: str
    changes: dict[str, Any] = field(default_factory=dict)
    all_logits: bool = False


NO_REUSE: dict[str, Any] = {"reuse": []}
PER_PASS = (
    Scheme(OURS, "ours (prefix trie)", NO_REUSE),
    Scheme("one_menu_per_row", "ours, no sharing across states", NO_REUSE | {"menus_per_row": 1}),
    Scheme("all_logits", "ours, LM head at all positions", NO_REUSE, all_logits=True),
    Scheme("prompt_cache", "prompt-KV sharing", NO_REUSE | {"scorer": "prompt_cache"}),
    Scheme("separate", "separate sequences", NO_REUSE | {"scorer": "separate"}),
    Scheme(PUBLISHED, "published scheme"),
)
PER_UPDATE = (
    Scheme(OURS, "ours (prefix trie, all reuse)"),
    Scheme("no_distributions", "ours, distributions not reused", {"reuse": ["decisions", "features"]}),
    Scheme("no_decisions", "ours, equal decisions not merged", {"reuse": ["distributions", "features"]}),
    Scheme("no_features", "ours, features not reused", {"reuse": ["distributions", "decisions"]}),
    Scheme("no_reuse", "ours, no reuse at all", NO_REUSE),
    Scheme("one_menu_per_row", "ours, no sharing across states", {"menus_per_row": 1}),
    Scheme("all_logits", "ours, LM head at all positions", all_logits=True),
    Scheme("prompt_cache", "prompt-KV sharing, no reuse", NO_REUSE | {"scorer": "prompt_cache"}),
    Scheme("separate", "separate sequences, no reuse", NO_REUSE | {"scorer": "separate"}),
    Scheme(PUBLISHED, "published scheme"),
)


class Ours:
    """An `LLMPolicy` with its learner, as the trainer uses them."""

    def __init__(self, scheme: Scheme, built: Built, head: ValueHead, cfg: TrainSettings):
        settings = dataclasses.replace(cfg.policy, **{"scorer": "trie", **scheme.changes})
        forward = forward_everywhere if scheme.all_logits else forward_at
        self.policy = LLMPolicy(built.lm, built.tokenizer, copy.deepcopy(head), settings, forward=forward)
        self.policy.engine.encoder.keep = True  # as for the baseline
        self.learner = PPO(self.policy, cfg.ppo, torch.Generator().manual_seed(cfg.seed))

    def score(self, decisions: list[Decision]) -> list[Tensor]:
        """Log-probabilities of the menus."""
        return self.policy.log_probs(decisions)

    def values(self, states: list[str]) -> Tensor:
        """The critic's values: [N]."""
        return self.policy.values(states)

    def train(self, decisions: list[Decision], weights: Tensor) -> None:
        """Forward and backward of one optimiser step; after an out-of-memory error again with smaller passes."""
        while True:
            self.learner.actor.zero_grad(set_to_none=True)
            try:
                self._accumulate(decisions, weights)
                return
            except torch.OutOfMemoryError as error:
                self.policy.halve_budget(error)

    def _accumulate(self, decisions: list[Decision], weights: Tensor) -> None:
        """Pass by pass; a function of its own, so that a failed pass leaves no tensor behind."""
        for index, log_probs in self.policy.evaluate_actions(decisions):
            (log_probs[:, 0] * weights[index].to(log_probs.device)).sum().backward()

    def act(self, rollout: Rollout) -> Tensor:
        """Log-probabilities of the actions taken, [T, B], asked for step by step."""
        taken = torch.zeros_like(rollout.rewards)
        for t, row in enumerate(rollout.decisions):
            for b, log_probs in enumerate(self.policy.log_probs(row)):
                taken[t, b] = log_probs[rollout.actions[t, b]]
        return taken

    def learn(self, rollout: Rollout) -> None:
        """One update."""
        self.learner.update(rollout, progress=0.0)

    @property
    def token_budget(self) -> int | None:
        """Most tokens of a pass; halved where memory ran out."""
        return self.policy.token_budget


class Theirs:
    """The published scheme behind the same interface."""

    token_budget = None

    def __init__(self, built: Built, head: ValueHead, cfg: TrainSettings):
        self.published = Published(built.lm, built.tokenizer, copy.deepcopy(head), cfg.ppo, cfg.policy.normalization)
        self.score, self.act, self.learn = self.published.log_probs, self.published.act, self.published.learn

    def values(self, states: list[str]) -> Tensor:
        """The critic's values: [N]."""
        with torch.no_grad():
            return self.published.values(states).cpu()

    def train(self, decisions: list[Decision], weights: Tensor) -> None:
        """Forward and backward of one optimiser step, a minibatch at a time."""
        self.published.actor.zero_grad(set_to_none=True)
        for index in torch.arange(len(decisions)).split(self.published.settings.actor.minibatch):
            log_probs = self.published.forward([decisions[i] for i in index])
            (log_probs[:, 0] * weights[index].to(log_probs.device)).sum().backward()


Runner: TypeAlias = Ours | Theirs


def make(scheme: Scheme, built: Built, cfg: TrainSettings) -> Runner:
    """A fresh runner: caches empty, a value head and optimisers of its own, the model shared."""
    weight = built.lm.get_input_embeddings().weight
    torch.manual_seed(cfg.seed)
    head = ValueHead(built.lm.get_output_embeddings().weight.shape[-1], built.settings.value_head).to(weight.device)
    return Theirs(built, head, cfg) if scheme.key == PUBLISHED else Ours(scheme, built, head, cfg)


def forward_everywhere(
    lm: LanguageModel,
    ids: Tensor,
    mask: Tensor | dict[str, Tensor],
    positions: Tensor | None,
    index: np.ndarray,
    **cache: Any,
) -> tuple[Tensor, Tensor]:
    """The same pass with the LM head at every position, and the predicting positions picked afterwards."""
    chosen = torch.as_tensor(index, device=ids.device)
    seen: list[Tensor] = []
    extra: dict[str, Any] = cache if cache else {"use_cache": False}
    if positions is not None:
        extra["position_ids"] = positions
    handle = lm.get_output_embeddings().register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    try:
        logits = lm(input_ids=ids, attention_mask=mask, **extra).logits
    finally:
        handle.remove()
    return logits.flatten(0, 1)[chosen], seen[-1].flatten(0, 1)[chosen]
