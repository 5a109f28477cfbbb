"""What is compared: our scorer, our scorer with one shortcut off, and the schemes of others. One interface for all."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from twosome import scorers
from twosome.bench.models import Built
from twosome.bench.published import Published
from twosome.model import ValueHead
from twosome.policy import LLMPolicy
from twosome.ppo import Learner
from twosome.tokens import Encoder
from twosome.types import Decision, Rollout

PUBLISHED = "published"
OURS = "ours"


@dataclass(frozen=True)
class Scheme:
    """`key`: on the command line and in the JSON; `changes`: of `conf/policy`; `all_logits`: the LM head at every position."""

    key: str
    label: str
    changes: dict[str, Any] = field(default_factory=dict)
    all_logits: bool = False


NO_REUSE: dict[str, Any] = {"reuse": []}
PER_PASS = (
    Scheme(OURS, "ours (token forest)", NO_REUSE),
    Scheme("one_menu_per_row", "ours, no sharing across states", NO_REUSE | {"menus_per_row": 1}),
    Scheme("all_logits", "ours, LM head at all positions", NO_REUSE, all_logits=True),
    Scheme("prompt_cache", "prompt-KV sharing", NO_REUSE | {"scorer": "prompt_cache"}),
    Scheme("separate", "separate sequences", NO_REUSE | {"scorer": "separate"}),
    Scheme(PUBLISHED, "published scheme"),
)
PER_UPDATE = (
    Scheme(OURS, "ours (token forest, all reuse)"),
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
    """An `LLMPolicy` with its `Learner`, as the trainer uses them."""

    def __init__(self, scheme: Scheme, built: Built, head: ValueHead, cfg: Any):
        settings = dataclasses.replace(_plain(cfg.policy), **{"scorer": "forest", **scheme.changes})
        self.scheme = scheme
        self.policy = LLMPolicy(built.lm, built.tokenizer, copy.deepcopy(head), settings)
        self.policy.encoder = Encoder(built.tokenizer, self.policy.max_tokens, keep=True)  # as for the baseline
        self.learner = Learner(self.policy, cfg.ppo, torch.Generator().manual_seed(cfg.seed))

    def score(self, decisions: list[Decision]) -> list[Tensor]:
        with self._head():
            return self.policy.log_probs(decisions)

    def values(self, prompts: list[str]) -> Tensor:
        with self._head():
            return self.policy.values(prompts)

    def train(self, decisions: list[Decision], weights: Tensor) -> None:
        """Forward and backward of one optimiser step; after an out-of-memory again with smaller passes, as the trainer does."""
        while True:
            self.learner.actor.zero_grad(set_to_none=True)
            try:
                return self._accumulate(decisions, weights)
            except torch.OutOfMemoryError as error:
                self.policy.halve_budget(error)

    def _accumulate(self, decisions: list[Decision], weights: Tensor) -> None:
        """Pass by pass; a function of its own, so that a failed pass leaves no tensor behind."""
        with self._head():
            for index, log_probs in self.policy.evaluate(decisions):
                (log_probs[:, 0] * weights[index].to(log_probs.device)).sum().backward()

    def act(self, rollout: Rollout) -> Tensor:
        """Log-probabilities of the actions taken, [T, B], asked for step by step."""
        taken = torch.zeros_like(rollout.rewards)
        with self._head():
            for t, row in enumerate(rollout.decisions):
                for b, log_probs in enumerate(self.policy.log_probs(row)):
                    taken[t, b] = log_probs[rollout.actions[t, b]]
        return taken

    def learn(self, rollout: Rollout) -> None:
        with self._head():
            self.learner.update(rollout, progress=0.0)

    @property
    def token_budget(self) -> int | None:
        return self.policy.token_budget

    def _head(self) -> Any:
        return head_everywhere() if self.scheme.all_logits else nullcontext()


class Theirs:
    """The published scheme behind the same interface."""

    token_budget = None

    def __init__(self, built: Built, head: ValueHead, cfg: Any):
        self.published = Published(built.lm, built.tokenizer, copy.deepcopy(head), cfg.ppo, cfg.policy.normalization)
        self.score, self.act, self.learn = self.published.log_probs, self.published.act, self.published.learn

    def values(self, prompts: list[str]) -> Tensor:
        with torch.no_grad():
            return self.published.values(prompts).cpu()

    def train(self, decisions: list[Decision], weights: Tensor) -> None:
        """Forward and backward of one optimiser step, a minibatch at a time."""
        self.published.actor.zero_grad(set_to_none=True)
        for index in torch.arange(len(decisions)).split(self.published.settings.actor.minibatch):
            log_probs = self.published.forward([decisions[i] for i in index])
            (log_probs[:, 0] * weights[index].to(log_probs.device)).sum().backward()


def make(scheme: Scheme, built: Built, cfg: Any) -> Ours | Theirs:
    """A fresh runner: caches empty, a value head and optimisers of its own, the model shared."""
    weight = built.lm.get_input_embeddings().weight
    torch.manual_seed(cfg.seed)
    head = ValueHead(built.lm.get_output_embeddings().weight.shape[-1], built.settings.value_head).to(weight.device)
    return Theirs(built, head, cfg) if scheme.key == PUBLISHED else Ours(scheme, built, head, cfg)


@contextmanager
def head_everywhere() -> Iterator[None]:
    """The same passes with the LM head at every position, and the predicting positions picked afterwards."""

    def run(lm, ids, mask, positions, index, **cache):
        chosen = torch.as_tensor(index, device=ids.device)
        seen: list[Tensor] = []
        extra = cache if cache else {"use_cache": False}
        if positions is not None:
            extra["position_ids"] = positions
        handle = lm.get_output_embeddings().register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
        try:
            logits = lm(input_ids=ids, attention_mask=mask, **extra).logits
        finally:
            handle.remove()
        return logits.flatten(0, 1)[chosen], seen[-1].flatten(0, 1)[chosen]

    original = scorers._run
    scorers._run = run
    try:
        yield
    finally:
        scorers._run = original


def _plain(settings: Any) -> Any:
    """`PolicySettings` out of OmegaConf's node."""
    from omegaconf import OmegaConf

    from twosome.config import PolicySettings

    plain: Any = OmegaConf.to_container(settings)
    return PolicySettings(**plain)
