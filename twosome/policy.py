"""The policy of a language model over menus: what it would do, what it thinks a state is worth, and what it costs.

Nothing is computed twice: within one version of the weights a decision's distribution is a constant and is reused, equal
decisions of a batch are one, and the features of the frozen backbone are kept for the life of the run.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from twosome import scoring, tokens
from twosome.forest import pack
from twosome.model import ValueHead, adapter_off, context_length, set_dropout
from twosome.scorers import SCORERS, Probe, exceeds_window, probe, prompt_features
from twosome.types import Decision, Sequence

if TYPE_CHECKING:
    from twosome.config import PolicySettings
    from twosome.distribution import ActionDistribution

log = logging.getLogger(__name__)

PROBE_MENUS = 2  # menus on which the scorers are compared at load
LONGEST_PROBE = 24  # actions of a menu that the probe looks at


class LLMPolicy:
    """A frozen causal LM with a LoRA adapter as actor, and a value head on the adapter-free backbone as critic.

    `lm`: a PEFT model (or any causal LM, then without training); `tokenizer`: its tokenizer; `value_head`: see `ValueHead`.
    """

    view = "text"  # what it reads of the world

    def __init__(self, lm: Any, tokenizer: Any, value_head: ValueHead, settings: PolicySettings):
        self.lm, self.tokenizer, self.value_head, self.settings = lm, tokenizer, value_head, settings
        self.token_budget = settings.token_budget
        self.max_tokens = context_length(lm)
        self.probe: Probe | None = None if settings.scorer == "auto" else Probe(settings.scorer, 0.0, 0.0, {})
        self.counts: Counter[str] = Counter()
        self.train_settings: Any = None  # the settings it was built from, where it was built from settings
        self._adapter = [p for p in lm.parameters() if p.requires_grad]
        self._sequences: OrderedDict[Decision, list[Sequence]] = OrderedDict()
        self._features: OrderedDict[str, Tensor] = OrderedDict()
        self._distributions: OrderedDict[Decision, Tensor] = OrderedDict()
        self._version: object = None

    # Acting ------------------------------------------------------------------------------------------------------------

    def log_probs(self, decisions: list[Decision]) -> list[Tensor]:
        """For every decision the log-probabilities of its menu: 1-D, float32, on the CPU, without gradient."""
        self._notice_new_weights()
        known = self._distributions
        distinct = list(dict.fromkeys(decisions))
        missing = [d for d in distinct if d not in known]
        self.counts["decisions"] += len(decisions)
        self.counts["decisions_computed"] += len(missing)
        found = {d: known[d] for d in distinct if d in known}
        with torch.no_grad():
            for index, log_probs in self._passes(missing):
                for i, row in zip(index, log_probs.cpu(), strict=True):
                    found[missing[i]] = row[: len(missing[i].menu)].clone()
        if "distributions" in self.settings.reuse:
            for d in missing:
                _keep(known, d, found[d], self.settings.reuse_capacity)
        return [found[d] for d in decisions]

    def values(self, prompts: list[str]) -> Tensor:
        """The value of every prompt: [N], float32, on the CPU, without gradient."""
        with torch.no_grad():
            return self.value_head(self.features(prompts)).cpu()

    def features(self, prompts: list[str]) -> Tensor:
        """What the critic sees: the adapter-free backbone's state at each prompt's last token, float32 [N, H]."""
        missing = [p for p in dict.fromkeys(prompts) if p not in self._features]
        found: dict[str, Tensor] = {}
        self.counts["prompts"] += len(prompts)
        self.counts["prompts_computed"] += len(missing)
        if missing:
            ids = [tokens.encode_prompt(self.tokenizer, p, self.max_tokens) for p in missing]
            scorer = self._scorer([Decision(missing[0], ("wait", "look around"))])
            with adapter_off(self.lm):
                for group in pack([[i] for i in ids], self.token_budget, self.settings.menus_per_row):
                    index = [i for row in group for i in row]
                    for i, feature in zip(index, prompt_features(self.lm, scorer, [ids[i] for i in index]), strict=True):
                        found[missing[i]] = feature
        rows = [found[p] if p in found else self._features[p] for p in prompts]
        if "features" in self.settings.reuse:
            for p, feature in found.items():
                _keep(self._features, p, feature, self.settings.reuse_capacity)
        return torch.stack(rows)

    # Learning ----------------------------------------------------------------------------------------------------------

    def evaluate(self, decisions: list[Decision]) -> Iterator[tuple[list[int], Tensor]]:
        """Action log-probabilities with gradient, a forward pass at a time under the token budget.

        Yields (indices into `decisions`, log-probabilities [n, M] padded with -inf). Call `backward` on what a pass gave
        before taking the next: that is what bounds the memory.
        """
        set_dropout(self.lm, True)
        try:
            if "decisions" not in self.settings.reuse:
                yield from self._passes(decisions)
                return
            places: dict[Decision, list[int]] = {}
            for i, d in enumerate(decisions):
                places.setdefault(d, []).append(i)
            distinct = list(places)
            for index, log_probs in self._passes(distinct):
                owners = [(row, i) for row, k in enumerate(index) for i in places[distinct[k]]]
                rows = torch.tensor([row for row, _ in owners], device=log_probs.device)
                yield [i for _, i in owners], log_probs[rows]
        finally:
            set_dropout(self.lm, False)

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """What a checkpoint holds of the policy beside the adapter, by file name."""
        return {"value_head": self.value_head.state_dict()}

    def load_tensors(self, tensors: dict[str, dict[str, Tensor]]) -> None:
        self.value_head.load_state_dict(tensors["value_head"])

    @property
    def device(self) -> torch.device:
        return next(self.value_head.parameters()).device

    def adapter_parameters(self) -> list[Tensor]:
        return self._adapter

    def halve_budget(self, error: Exception) -> None:
        """After the accelerator ran out of memory: smaller passes from now on. Re-raises when they cannot get smaller."""
        if self.token_budget < 64:
            raise error
        self.token_budget //= 2
        torch.cuda.empty_cache()
        log.warning("Out of memory: policy.token_budget is now %d, the step is repeated.", self.token_budget)

    # Looking -----------------------------------------------------------------------------------------------------------

    def inspect(self, prompt: str, menu: Any, *, normalization: str | None = None) -> ActionDistribution:
        """One decision taken apart: probabilities, scores, log-probabilities of every word and token, value.

        >>> policy.inspect("You are hungry. Next action:", ["eat an apple", "sleep"])  # doctest: +SKIP
        """
        from twosome.distribution import ActionDistribution

        decision = Decision(prompt, tuple(menu))
        sequences = self._encode(decision)
        plain = [*sequences, *tokens.unconditional(self.tokenizer, sequences)]
        with torch.no_grad():
            token_log_probs = SCORERS[self._scorer_of([sequences])](self.lm, [[plain]]).cpu()
        value = self.values([prompt])[0].item()
        return ActionDistribution.of(
            decision, sequences, token_log_probs, value, normalization or self.settings.normalization, self.tokenizer
        )

    def describe_scorer(self) -> dict[str, Any]:
        """The outcome of the probe, for the log and `summary.json`."""
        if self.probe is None:
            return {"name": "not probed yet"}
        return self.probe._asdict() | {"token_budget": self.token_budget}

    # Reuse -------------------------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Drop the distributions of this version, so that what follows does not depend on who was asked before."""
        self._distributions.clear()

    def feature_cache(self) -> OrderedDict[str, Tensor]:
        """The kept features by prompt; a checkpoint holds them so that a resumed run repeats the same bits."""
        return self._features

    def _notice_new_weights(self) -> None:
        """Drop the distributions if any adapter weight changed: its version counter, or its norm (which `.data` writes move)."""
        norms = torch._foreach_norm(self._adapter) if self._adapter else []
        version = ([p._version for p in self._adapter], torch.stack(norms).tolist() if norms else [])
        if version != self._version:
            self._version = version
            self._distributions.clear()

    def _encode(self, decision: Decision) -> list[Sequence]:
        if decision not in self._sequences:
            _keep(
                self._sequences,
                decision,
                tokens.encode(self.tokenizer, decision, self.max_tokens),
                self.settings.reuse_capacity,
            )
        return self._sequences[decision]

    # Passes ------------------------------------------------------------------------------------------------------------

    def _passes(self, decisions: list[Decision]) -> Iterator[tuple[list[int], Tensor]]:
        """Score decisions pass by pass: (their indices, log-probabilities [n, M] padded with -inf)."""
        if not decisions:
            return
        menus = [self._encode(d) for d in decisions]
        extra = [tokens.unconditional(self.tokenizer, m) for m in menus] if self._corrects else [[] for _ in menus]
        self._scorer(decisions)
        paths = [[s.ids[:-1] for s in [*m, *e]] for m, e in zip(menus, extra, strict=True)]
        for rows in pack(paths, self.token_budget, self.settings.menus_per_row):
            index = [i for row in rows for i in row]
            scorer = self._scorer_of([menus[i] for i in index])
            batch = [[[*menus[i], *extra[i]] for i in row] for row in rows]
            self.counts["passes"] += 1
            token_log_probs = SCORERS[scorer](self.lm, batch)
            yield index, self._to_log_probs(token_log_probs, [menus[i] for i in index])

    @property
    def _corrects(self) -> bool:
        return self.settings.normalization == "unconditional"

    def _to_log_probs(self, token_log_probs: Tensor, menus: list[list[Sequence]]) -> Tensor:
        return scoring.menu_log_probs(token_log_probs, menus, self.settings.normalization)

    def _scorer(self, decisions: list[Decision]) -> str:
        """The scorer the probe chose; the first call, with real prompts, is the load-time probe."""
        if self.probe is None:
            menus = [self._encode(d)[:LONGEST_PROBE] for d in decisions[:PROBE_MENUS]]
            self.probe = probe(self.lm, menus)
            log.info("Scorer: %s", self.probe)
            if self.probe.refused:
                log.warning("Scorer: %s", self.probe)
        return self.probe.scorer

    def _scorer_of(self, menus: list[list[Sequence]]) -> str:
        """The probed scorer, or separate sequences where a path is longer than the model's attention window."""
        if self.probe is None:
            self.probe = probe(self.lm, [menus[0][:LONGEST_PROBE]])
        longest = max(len(s.ids) - 1 for menu in menus for s in menu)
        return "separate" if exceeds_window(self.lm, longest) else self.probe.scorer


def _keep(cache: OrderedDict, key: Any, value: Any, capacity: int) -> None:
    """Remember, and forget the oldest beyond the capacity."""
    cache[key] = value
    if len(cache) > capacity:
        cache.popitem(last=False)
