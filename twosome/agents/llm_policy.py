"""The policy of a language model over menus: what it would do, what it thinks a state is worth, and what it costs.

Nothing is computed twice: within one version of the weights a decision's distribution is a constant and is cached,
equal decisions of a batch are one, and the features of the frozen backbone are kept for the life of the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from twosome import tensor_files
from twosome.agents.caches import Cache, WeightsVersion
from twosome.agents.finite import finite_feature, finite_features, finite_log_probs
from twosome.agents.prompts import Prompter
from twosome.agents.recall import Recall
from twosome.agents.recollect import numbered, recollect
from twosome.agents.remembering import Remembering
from twosome.agents.shortlist import Shortlist
from twosome.config.check import line_ends
from twosome.errors import INVALID_CONTENT, CheckpointError, MenuError, brief
from twosome.inspection.distribution import ActionDistribution
from twosome.lm.adapter import adapter_off, adapter_switches, load_adapter, save_adapter, set_dropout, tuner_layer
from twosome.lm.chat import ChatTemplate
from twosome.lm.engine import Engine, check_bias
from twosome.lm.proposals import propose
from twosome.lm.scorers import Forward, forward_at
from twosome.lm.value_head import ValueHead
from twosome.protocols import StateDict
from twosome.rollout.driver import act
from twosome.types import Branch, Decision, LanguageModel, Menu, Observation, Tokenizer

if TYPE_CHECKING:
    from twosome.config.schema import PolicySettings

Asked = tuple[str, tuple[str, ...], tuple[float, ...]]  # `Decision.asked`


class LLMPolicy:
    """A frozen causal LM with a LoRA adapter as actor, and a value head on the adapter-free backbone as critic.

    `lm`: a PEFT model (or any causal LM, then without training); `tokenizer`: its tokenizer; `recall`: a memory whose
    advice enters the prompts; `forward`: how the model is run (the bench compares others). `counts`: of the decisions
    and states asked for and computed, of passes and of out-of-memory errors.
    """

    reads: Literal["text", "numbers"] = "text"
    head_file = "value_head.safetensors"

    def __init__(
        self,
        lm: LanguageModel,
        tokenizer: Tokenizer,
        value_head: ValueHead,
        settings: PolicySettings,
        *,
        recall: Recall | None = None,
        forward: Forward = forward_at,
    ):
        self.lm, self.tokenizer, self.value_head, self.settings = lm, tokenizer, value_head, settings
        self.engine = Engine(lm, tokenizer, settings, forward)
        tell = ChatTemplate(tokenizer, settings.system and line_ends(settings.system)) if settings.chat else str
        self.prompter = Prompter(settings.prompt, recall, tell)
        self._shortlist = Shortlist(settings, self.prompter)
        self._adapter = [p for p in lm.parameters() if p.requires_grad]
        self._tuned = tuner_layer(lm)
        self._version = WeightsVersion(self._adapter)
        self._features: Cache[str, Tensor] = Cache(settings.reuse_capacity)
        self._distributions: Cache[Asked, Tensor] = Cache(settings.reuse_capacity)

    def remind(self, recall: Recall | None) -> None:
        """Let a memory's advice enter the prompts from now on; None lets none."""
        self.prompter.recall = recall

    # Acting -----------------------------------------------------------------------------------------------------------

    def shortlist(self, observation: Observation, menu: Menu) -> Menu:
        """What of a menu is on offer in a state: all of it without `policy.shortlist`."""
        return self._shortlist(self.engine, observation, menu)

    def decide(self, observation: Observation, menu: Menu) -> Decision:
        """The decision of a state. Raises `MenuError` or `ContextLengthError` for one that cannot be scored."""
        decision = self.prompter(observation, menu)
        check_bias(decision)
        self.engine.encoder(decision.prompt, decision.menu)
        return decision

    def log_probs(self, decisions: list[Decision]) -> list[Tensor]:
        """For every decision the log-probabilities of its menu: 1-D, float32, on the CPU, without gradient.

        Raises `MenuError`, `ContextLengthError`, and `NumericsError` where the model gives a NaN or infinity.
        """
        if "distributions" in self.settings.reuse and self._version.has_changed(adapter_switches(self._tuned)):
            self.clear_cache()
        known = self._distributions
        asked = list({d.asked: d for d in decisions}.values()) if "decisions" in self.settings.reuse else decisions
        missing = [d for d in asked if d.asked not in known]
        self.counts["decisions"] += len(decisions)
        self.counts["decisions_computed"] += len(missing)
        pairs = zip(missing, self.engine.complete(missing, self.engine.menu_passes), strict=True)
        fresh = {d.asked: finite_log_probs(d, row[: len(d.menu)].clone()) for d, row in pairs}
        result = [(fresh[d.asked] if d.asked in fresh else known[d.asked]).clone() for d in decisions]
        if "distributions" in self.settings.reuse:
            for key, row in fresh.items():
                known.keep(key, row)
        return result

    def values(self, states: list[str]) -> Tensor:
        """The value of every state: [N], float32, on the CPU, without gradient."""
        with torch.no_grad():
            return self.value_head(self.features(states)).cpu()

    def features(self, states: list[str]) -> Tensor:
        """What the critic reads: the frozen backbone's hidden state at each state's end, or over it; float32 [N, H]."""
        asked = list(dict.fromkeys(states)) if "decisions" in self.settings.reuse else states
        missing = [s for s in asked if s not in self._features]
        self.counts["states"] += len(states)
        self.counts["states_computed"] += len(missing)
        with adapter_off(self.lm) if missing else nullcontext():  # switching looks at every module
            fresh = dict(zip(missing, self.engine.complete(missing, self.engine.feature_passes), strict=True))
        for state, feature in fresh.items():
            finite_feature(state, feature)
        rows = [fresh[s] if s in fresh else self._features[s] for s in states]
        if "features" in self.settings.reuse:
            for state, feature in fresh.items():
                self._features.keep(state, feature)
        return torch.stack(rows)

    def clear_cache(self) -> None:
        """Drop this version's distributions, so that what follows does not depend on who was asked before."""
        self._distributions.clear()

    # Learning ---------------------------------------------------------------------------------------------------------

    def evaluate_actions(self, decisions: list[Decision]) -> Iterator[tuple[list[int], Tensor]]:
        """Action log-probabilities with gradient, a forward pass at a time under the token budget.

        Yields (indices into `decisions`, log-probabilities [n, M] padded with -inf). Call `backward` on what a pass
        gave before taking the next: that is what bounds the memory.
        """
        set_dropout(self.lm, True)
        try:
            if "decisions" not in self.settings.reuse:
                yield from self.engine.menu_passes(decisions)
                return
            places: dict[Asked, list[int]] = {}
            for i, d in enumerate(decisions):
                places.setdefault(d.asked, []).append(i)
            owners_of = list(places.values())
            for index, log_probs in self.engine.menu_passes([decisions[owners[0]] for owners in owners_of]):
                owners = [(row, i) for row, k in enumerate(index) for i in owners_of[k]]
                rows = torch.tensor([row for row, _ in owners], device=log_probs.device)
                yield [i for _, i in owners], log_probs[rows]
        finally:
            set_dropout(self.lm, False)

    def branches(self, decision: Decision, action: int) -> list[Branch]:
        """The tokens that choose an action; the critic reads the state, and the action as far as it was told."""
        return self.engine.branches(decision, action)

    def actor_parameters(self) -> list[Tensor]:
        """The adapter's tensors."""
        return self._adapter

    def halve_budget(self, error: Exception) -> None:
        """After an out-of-memory error: smaller passes from now on. Raises `error` where they cannot get smaller."""
        self.engine.halve_budget(error)

    @property
    def counts(self) -> Counter[str]:
        return self.engine.counts

    @property
    def temperature(self) -> float:
        """The policy is softmax(score / temperature), wherever it is asked."""
        return self.engine.temperature

    @property
    def token_budget(self) -> int:
        """Most tokens of one forward pass; halved where memory runs out."""
        return self.engine.token_budget

    @property
    def device(self) -> torch.device:
        return next(self.value_head.parameters()).device

    def act(
        self, observation: Observation, info: Mapping[str, Any], *, generator: torch.Generator | None = None
    ) -> int:
        """The action of a state, as `env.step` takes it: the most probable, or with a `generator` a sampled one.

        `observation`, `info`: as an environment of texts and menus gives them. Raises `MenuError` where it does not.

        >>> action = policy.act(observation, info)  # doctest: +SKIP
        """
        return act(self, observation, info, generator)

    def propose(self, observation: Observation, n: int, max_tokens: int = 16) -> tuple[str, ...]:
        """Up to n free texts with which the frozen model goes on in a state, as `lm.proposals.propose` draws them."""
        return propose(self.lm, self.tokenizer, self.prompter.plain(observation), n, max_tokens)

    # Looking ----------------------------------------------------------------------------------------------------------

    def inspect(
        self,
        prompt: str,
        menu: Sequence[str],
        *,
        normalization: str | None = None,
        adapter: bool = True,
        recall: Observation | None = None,
    ) -> ActionDistribution:
        """One decision taken apart: probabilities, scores, log-probabilities of every word and token, value.

        `adapter=False` shows the frozen model. `recall`: a state, `{"goal": ..., "scene": ...}`, about which the
        policy's memory is asked: its advice goes before the prompt, and what it did is shown.

        >>> policy.inspect("You are hungry. Next action:", ["eat an apple", "sleep"])  # doctest: +SKIP
        """
        if isinstance(menu, str) or not all(isinstance(text, str) for text in (prompt, *menu)):
            raise MenuError(f"Expected a prompt and a list of phrases, got {prompt!r:.80} and {menu!r:.80}.")
        decision = Decision.plain(prompt, tuple(menu))
        if recall is not None:
            decision = self.prompter.reminded(prompt, recall, numbered(decision.menu))
        return self.inspect_decision(decision, normalization=normalization, adapter=adapter, recall=recall)

    def inspect_decision(
        self,
        decision: Decision,
        *,
        normalization: str | None = None,
        adapter: bool = True,
        recall: Observation | None = None,
    ) -> ActionDistribution:
        """The same for a decision whose prompt may hold more than its state; `recall`: that state."""
        given = self._taken_apart(decision, normalization, adapter)
        if recall is None or self.prompter.recall is None:
            return given
        plain = Decision.plain(decision.state, decision.menu)
        found = recollect(self.prompter.recall, recall, numbered(decision.menu))
        return given.with_memory(found, self._taken_apart(plain, normalization, adapter))

    def _taken_apart(self, decision: Decision, normalization: str | None, adapter: bool) -> ActionDistribution:
        check_bias(decision)
        encoded = self.engine.encoder(decision.prompt, decision.menu)
        with nullcontext() if adapter else adapter_off(self.lm):
            token_log_probs = self.engine.token_log_probs(encoded)
            value = self.values([decision.state])[0].item()
        name = normalization or self.settings.normalization
        return ActionDistribution.of(
            decision, encoded, token_log_probs, value, name, self.tokenizer, temperature=self.temperature
        )

    def describe_scorer(self) -> dict[str, Any]:
        """What the equivalence check found, for the log and `summary.json`."""
        return self.engine.describe()

    # Saving -----------------------------------------------------------------------------------------------------------

    def save_weights(self, folder: Path) -> None:
        """Write the adapter in PEFT's format, the value head, a memory if there is one. Raises `CheckpointError`."""
        tensor_files.write_tensors(folder / self.head_file, self.value_head.state_dict())
        save_adapter(self.lm, folder / "adapter")
        if isinstance(self.prompter.recall, Remembering):
            self.prompter.recall.save(folder)

    def load_weights(self, folder: Path) -> None:
        """Read what `save_weights` wrote. Raises `CheckpointError` where it does not fit this model."""
        shapes = {name: tensor.shape for name, tensor in self.value_head.state_dict().items()}
        loaded = tensor_files.read_finite_tensors(folder / self.head_file, shapes)
        try:
            self.value_head.load_state_dict(loaded)
        except INVALID_CONTENT as error:
            said = f"The tensors in {folder} do not fit the policy of its config.yaml: {brief(error)}"
            raise CheckpointError(said) from error
        load_adapter(self.lm, folder / "adapter")
        if isinstance(self.prompter.recall, Remembering):
            self.prompter.recall.load(folder)

    def state_dict(self) -> StateDict:
        """The engine's state and the kept features: computed in other company, their last bits would differ."""
        features = torch.stack(list(self._features.values())) if self._features else None
        return {"engine": self.engine.state_dict(), "states": list(self._features), "features": features}

    def load_state_dict(self, state: StateDict) -> None:
        """The inverse of `state_dict`."""
        self.engine.load_state_dict(state["engine"])
        self._features.clear()
        if state["features"] is None and not state["states"]:
            return
        features = finite_features(state["states"], state["features"])
        with torch.no_grad():
            self.value_head(features[:1].to(self.device))  # raises where they have another width
        self._features |= zip(state["states"], features.to(self.device), strict=True)
