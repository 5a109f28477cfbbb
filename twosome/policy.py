"""The policy of a language model over menus: what it would do, what it thinks a state is worth, and what it
costs.

Nothing is computed twice: within one version of the weights a decision's distribution is a constant and is
reused, equal decisions of a batch are one, and the features of the frozen backbone are kept for the life of
the run.
"""

from __future__ import annotations

import logging
import math
import traceback
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from twosome import tokens
from twosome.model import ValueHead, adapter_off, context_length, set_dropout, vocabulary_size
from twosome.passes import ScorerChoice, cut, score
from twosome.probe import attention_window
from twosome.scorers import SCORERS, Probe, prompt_features
from twosome.types import Decision, NumericsError, Sequence

if TYPE_CHECKING:
    from twosome.config import PolicySettings
    from twosome.distribution import ActionDistribution

log = logging.getLogger(__name__)

SMALLEST_BUDGET = 64  # tokens of a pass below which running out of memory is not a matter of its size
NOT_FINITE = (
    "Half precision overflowed or the adapter diverged: use model.dtype=bfloat16 or float32, or a lower "
    "ppo.actor.learning_rate, and go on from an earlier checkpoint."
)


class LLMPolicy:
    """A frozen causal LM with a LoRA adapter as actor, and a value head on the adapter-free backbone as
    critic.

    `lm`: a PEFT model (or any causal LM, then without training); `tokenizer`: its tokenizer; `value_head`:
    see `ValueHead`.
    """

    view = "text"  # what it reads of the world

    def __init__(self, lm: Any, tokenizer: Any, value_head: ValueHead, settings: PolicySettings):
        self.lm, self.tokenizer, self.value_head, self.settings = lm, tokenizer, value_head, settings
        self.token_budget = settings.token_budget
        self.max_tokens = context_length(lm)
        self.encoder = tokens.Encoder(
            tokenizer, self.max_tokens, vocabulary_size(lm), keep=bool(settings.reuse)
        )
        self.counts: Counter[str] = Counter()
        self.train_settings: Any = None  # the settings it was built from, where it was built from settings
        self._choice = ScorerChoice(settings.scorer)
        self._adapter = [p for p in lm.parameters() if p.requires_grad]
        self._tuned = [m for m in lm.modules() if hasattr(m, "_disable_adapters")]
        self._features: OrderedDict[str, Tensor] = OrderedDict()
        self._distributions: OrderedDict[Decision, Tensor] = OrderedDict()
        self._version: tuple[object, list[Tensor]] = (None, [])

    # Acting -------------------------------------------------------------------------------------------------

    def log_probs(self, decisions: list[Decision]) -> list[Tensor]:
        """For every decision the log-probabilities of its menu: 1-D, float32, on the CPU, without gradient.

        Raises `MenuError`, `ContextLengthError`, and `NumericsError` where the model gives a NaN or infinity.
        """
        if "distributions" in self.settings.reuse:
            self._notice_new_weights()
        known = self._distributions
        asked = list(dict.fromkeys(decisions)) if "decisions" in self.settings.reuse else decisions
        missing = [d for d in asked if d not in known]
        self.counts["decisions"] += len(decisions)
        self.counts["decisions_computed"] += len(missing)
        computed = self._complete(missing, self._passes)
        pairs = zip(missing, computed, strict=True)
        fresh = {d: self._checked(d, row[: len(d.menu)].clone()) for d, row in pairs}
        result = [(fresh[d] if d in fresh else known[d]).clone() for d in decisions]
        if "distributions" in self.settings.reuse:
            for d, row in fresh.items():
                _keep(known, d, row, self.settings.reuse_capacity)
        return result

    def values(self, prompts: list[str]) -> Tensor:
        """The value of every prompt: [N], float32, on the CPU, without gradient."""
        with torch.no_grad():
            return self.value_head(self.features(prompts)).cpu()

    def features(self, prompts: list[str]) -> Tensor:
        """What the critic sees: the adapter-free backbone's state at each prompt's end, float32 [N, H]."""
        asked = list(dict.fromkeys(prompts)) if "decisions" in self.settings.reuse else prompts
        missing = [p for p in asked if p not in self._features]
        self.counts["prompts"] += len(prompts)
        self.counts["prompts_computed"] += len(missing)
        with adapter_off(self.lm):
            fresh = dict(zip(missing, self._complete(missing, self._feature_passes), strict=True))
        for p, feature in fresh.items():
            if not torch.isfinite(feature).all():
                raise NumericsError(
                    f"The frozen model's state after {p!r} holds a NaN or an infinity. {NOT_FINITE}"
                )
        rows = [fresh[p] if p in fresh else self._features[p] for p in prompts]
        if "features" in self.settings.reuse:
            for p, feature in fresh.items():
                _keep(self._features, p, feature, self.settings.reuse_capacity)
        return torch.stack(rows)

    def _complete(
        self, items: list, passes: Callable[[list], Iterator[tuple[list[int], Tensor]]]
    ) -> list[Tensor]:
        """A row for every item, without gradient. After an out-of-memory error only what is still missing is
        done again.
        """
        rows: list[Tensor | None] = [None] * len(items)
        while missing := [i for i, row in enumerate(rows) if row is None]:
            try:
                with torch.no_grad():
                    for index, found in passes([items[i] for i in missing]):
                        for k, row in zip(index, found, strict=True):
                            rows[missing[k]] = row
            except torch.OutOfMemoryError as error:
                self.halve_budget(error)
        return [row for row in rows if row is not None]

    @staticmethod
    def _checked(decision: Decision, log_probs: Tensor) -> Tensor:
        is_finite = torch.isfinite(log_probs)
        if not is_finite.all():
            worst = int((~is_finite).nonzero()[0])
            raise NumericsError(
                f"The model gives the log-probability {log_probs[worst].item()} to action "
                f"{decision.menu[worst]!r} after the prompt {decision.prompt!r}. {NOT_FINITE}"
            )
        return log_probs

    # Learning -----------------------------------------------------------------------------------------------

    def evaluate(self, decisions: list[Decision]) -> Iterator[tuple[list[int], Tensor]]:
        """Action log-probabilities with gradient, a forward pass at a time under the token budget.

        Yields (indices into `decisions`, log-probabilities [n, M] padded with -inf). Call `backward` on what
        a pass gave before taking the next: that is what bounds the memory.
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
        """After the accelerator ran out of memory: smaller passes from now on. Re-raises when they cannot get
        smaller.
        """
        if self.token_budget <= SMALLEST_BUDGET:
            raise error
        self.token_budget //= 2
        traceback.clear_frames(error.__traceback__)  # the failed pass's tensors, which its frames still hold
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.counts["out_of_memory"] += 1
        log.warning("Out of memory: policy.token_budget is now %d, the step is repeated.", self.token_budget)

    # Looking ------------------------------------------------------------------------------------------------

    def inspect(self, prompt: str, menu: Any, *, normalization: str | None = None) -> ActionDistribution:
        """One decision taken apart: probabilities, scores, log-probabilities of every word and token, value.

        >>> policy.inspect("You are hungry. Next action:", ["eat an apple", "sleep"])  # doctest: +SKIP
        """
        from twosome.distribution import ActionDistribution

        decision = Decision(prompt, tuple(menu))
        sequences = self.encoder(decision)
        plain = [*sequences, *tokens.unconditional(self.tokenizer, sequences)]
        scorer = self._scorers([sequences])[0]
        with torch.no_grad():
            token_log_probs = SCORERS[scorer](self.lm, [[plain]]).cpu()
        value = self.values([prompt])[0].item()
        return ActionDistribution.of(
            decision,
            sequences,
            token_log_probs,
            value,
            normalization or self.settings.normalization,
            self.tokenizer,
        )

    def describe_scorer(self) -> dict[str, Any]:
        """The outcome of the probe, for the log and `summary.json`."""
        if self.probe is None:
            return {"scorer": "not probed yet", "token_budget": self.token_budget}
        beyond = self._choice.beyond
        extra = {"token_budget": self.token_budget, "beyond_window": beyond.scorer if beyond else None}
        return self.probe._asdict() | extra

    @property
    def probe(self) -> Probe | None:
        """What the probe found on the first decisions; None before."""
        return self._choice.inside or self._choice.beyond

    @probe.setter
    def probe(self, found: Probe) -> None:
        self._choice.inside = found

    # Reuse --------------------------------------------------------------------------------------------------

    def must_fit(self, decision: Decision) -> None:
        """Raises `MenuError` or `ContextLengthError` for a decision that cannot be scored."""
        self.encoder(decision)

    def forget(self) -> None:
        """Drop this version's distributions, so that what follows does not depend on who was asked before."""
        self._distributions.clear()

    def feature_cache(self) -> OrderedDict[str, Tensor]:
        """The kept features by prompt; a checkpoint holds them: a resumed run repeats the same bits."""
        return self._features

    def _notice_new_weights(self) -> None:
        """Drop the distributions exactly if an adapter weight changed, or another adapter is switched on.

        The weights are compared with a copy: version counters miss what is written through `.data`.
        """
        switches = [(tuple(m.active_adapters), m._disable_adapters) for m in self._tuned[:1]]
        old, weights = self._version
        pairs = list(zip(self._adapter, weights, strict=False))
        same = old == switches and not (pairs and torch.stack([(a != b).any() for a, b in pairs]).any())
        if not same:
            self._version = switches, [p.detach().clone() for p in self._adapter]
            self._distributions.clear()

    # Passes -------------------------------------------------------------------------------------------------

    def _passes(self, decisions: list[Decision]) -> Iterator[tuple[list[int], Tensor]]:
        """Score decisions pass by pass: (their indices, log-probabilities [n, M] padded with -inf)."""
        if not decisions:
            return
        menus = [self.encoder(d) for d in decisions]
        corrects = self.settings.normalization == "unconditional"
        alone = [tokens.unconditional(self.tokenizer, m) if corrects else [] for m in menus]
        limits = self.token_budget, self.settings.menus_per_row, self.settings.normalization
        for index, log_probs in score(self.lm, menus, alone, self._scorers(menus), *limits):
            self.counts["passes"] += 1
            yield index, log_probs if torch.is_grad_enabled() else log_probs.cpu()

    def _feature_passes(self, prompts: list[str]) -> Iterator[tuple[list[int], Tensor]]:
        """Features pass by pass: (indices of prompts, [n, H]). A forest where the probe found it exact."""
        ids = [
            tokens.encode_prompt(self.tokenizer, p, self.max_tokens, self.encoder.vocabulary) for p in prompts
        ]
        as_menus = [[Sequence((*path, 0), len(path), ())] for path in ids]
        probed = self._choice.inside
        shares = probed is not None and probed.scorer == "forest"
        window = (attention_window(self.lm) or math.inf) if shares else 0
        names = ["forest" if len(path) <= window else "separate" for path in ids]
        for name, rows in cut(as_menus, names, self.token_budget, self.settings.menus_per_row):
            found = prompt_features(self.lm, name, [[ids[i] for i in row] for row in rows])
            yield [i for row in rows for i in row], found

    def _scorers(self, menus: list[list[Sequence]]) -> list[str]:
        """The scorer of every menu; the first call, on real prompts and as it is trained, is the probe."""
        learns = bool(self._adapter)
        return self._choice.of(self.lm, menus, with_gradient=learns, token_budget=self.token_budget)


def _keep(cache: OrderedDict, key: Any, value: Any, capacity: int) -> None:
    """Remember, and forget the oldest beyond the capacity."""
    cache[key] = value
    if len(cache) > capacity:
        cache.popitem(last=False)
