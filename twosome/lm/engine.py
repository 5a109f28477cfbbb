"""A model at work on many menus: forward passes under a token budget, whatever memory there is.

Knows no RL, keeps no results.
"""

from __future__ import annotations

import logging
import math
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from twosome.config.schema import SMALLEST_BUDGET
from twosome.errors import MenuError, counter, is_out_of_memory
from twosome.lm import tokens
from twosome.lm.adapter import context_length, vocabulary_size
from twosome.lm.branches import forks
from twosome.lm.equivalence import Equivalence
from twosome.lm.microbatch import Limits, Scored, ScorerChoice, score, split
from twosome.lm.normalize import sum_tokens
from twosome.lm.numbers import numbers
from twosome.lm.pieces import token_log_probs
from twosome.lm.scorers import SCORERS, Forward, Rows, forward_at, prompt_features
from twosome.lm.windows import attention_window
from twosome.types import Branch, Decision, EncodedAction, LanguageModel, Tokenizer

if TYPE_CHECKING:
    from twosome.config.schema import PolicySettings

log = logging.getLogger(__name__)
T = TypeVar("T")
Passes = Iterator[tuple[list[int], Tensor]]


class Engine:
    """Scores decisions and reads features with one model. `forward`: how the model is run (the bench compares others).

    `counts`: of `passes` and `out_of_memory`; the owner may add its own.
    """

    def __init__(
        self, lm: LanguageModel, tokenizer: Tokenizer, settings: PolicySettings, forward: Forward = forward_at
    ):
        self.lm, self.tokenizer, self.settings, self.forward = lm, tokenizer, settings, forward
        self.token_budget = settings.token_budget
        self.temperature = settings.temperature
        self.max_tokens = context_length(lm)
        how: dict[str, Any] = {"keep": bool(settings.reuse), "joint": "" if settings.chat else " "}
        self.encoder = tokens.Encoder(tokenizer, self.max_tokens, vocabulary_size(lm), **how)
        self.counts: Counter[str] = Counter()
        self._choice = ScorerChoice(settings.scorer)
        self._learns = any(p.requires_grad for p in lm.parameters())

    def menu_passes(self, decisions: list[Decision]) -> Passes:
        """Score decisions pass by pass: (their indices, log-probabilities [n, M] padded with -inf)."""
        if not decisions:
            return
        for decision in decisions:
            check_bias(decision)
        menus = [self.encoder(d.prompt, d.menu) for d in decisions]
        corrects = self.settings.normalization == "unconditional"
        alone = [tokens.unconditional(self.tokenizer, m) if corrects else [] for m in menus]
        scored = Scored(menus, alone, [d.bias for d in decisions])
        how = self._limits(), self.settings.normalization, self.temperature, self.forward
        for index, log_probs in score(self.lm, scored, self._scorers(menus), *how):
            self.counts["passes"] += 1
            yield index, log_probs if torch.is_grad_enabled() else log_probs.cpu()

    def continuation_passes(self, pairs: list[tuple[str, str]]) -> Passes:
        """The log-probability of a text after a prompt, pass by pass: (indices of pairs, [n])."""
        menus = [self.encoder(prompt, (text,)) for prompt, text in pairs]
        for name, rows in split(menus, self._scorers(menus), self._limits()):
            yield [i for row in rows for i in row], self._sums(name, [[menus[i] for i in row] for row in rows])

    def feature_passes(self, texts: list[str]) -> Passes:
        """The hidden state at each text's end, or its mean over it, pass by pass: (indices of texts, [n, H]).

        A trie where the equivalence check found it exact.
        """
        ids = [tokens.encode_prompt(self.tokenizer, text, self.max_tokens, self.encoder.vocabulary) for text in texts]
        as_menus = [[EncodedAction((*path, 0), len(path), ())] for path in ids]
        inside, beyond = (e is not None and e.scorer == "trie" for e in (self._choice.inside, self._choice.beyond))
        window = attention_window(self.lm) or math.inf
        names = ["trie" if (inside if len(path) <= window else beyond) else "separate" for path in ids]
        for name, rows in split(as_menus, names, self._limits()):
            prompts = [[ids[i] for i in row] for row in rows]
            features = prompt_features(self.lm, name, prompts, self.forward, self.settings.pooling)
            index = [i for row in rows for i in row]
            if self.settings.numbers:
                features = torch.cat([features, numbers([texts[i] for i in index]).to(features)], dim=1)
            yield index, features

    def branches(self, decision: Decision, action: int) -> list[Branch]:
        """The tokens at which the actions of the menu part on the way to one of them."""
        encoded = self.encoder(decision.prompt, decision.menu)
        found = forks([s.ids for s in encoded], action)
        begun = [self.tokenizer.decode(encoded[action].ids[encoded[action].start : fork.depth]) for fork in found[1:]]
        after = [tokens.join(decision.state, text.strip(), self.encoder.joint)[0] for text in begun]
        return [
            Branch(state, fork.open, fork.kept) for state, fork in zip([decision.state, *after], found, strict=False)
        ]

    def path_log_probs(self, paths: list[EncodedAction], scorer: str) -> Tensor:
        """The log-probabilities of token paths after one prompt, in one pass where the budget holds it: [A], no graph.

        `scorer`: as `scorer_of` gives it.
        """
        passes = partial(self._path_passes, scorer)
        return torch.stack(self.complete(paths, passes))

    def scorer_of(self, menu: list[EncodedAction]) -> str:
        """The scorer of a menu, by the equivalence check, which is made here if there was none."""
        return self._scorers([menu])[0]

    def check(self, prompt: str, action: str) -> None:
        """The equivalence check, if there was none: for who reads features of actions and asks for no scores."""
        if self._choice.inside is None:
            self._scorers([self.encoder(prompt, (action,))])

    def token_log_probs(self, encoded: list[EncodedAction]) -> Tensor:
        """The log-probability of every token of a menu's actions, then of the same after no prompt: [E], on the CPU."""
        both = [*encoded, *tokens.unconditional(self.tokenizer, encoded)]
        with torch.no_grad():
            scorer = self._scorers([encoded])[0]
            return token_log_probs(self.lm, scorer, [[both]], self.token_budget, self.forward).cpu()

    def complete(self, items: list[T], passes: Callable[[list[T]], Passes]) -> list[Tensor]:
        """A row for every item, without gradient; after an out-of-memory error only what is missing is done again."""
        rows: list[Tensor | None] = [None] * len(items)
        while missing := [i for i, row in enumerate(rows) if row is None]:
            try:
                with torch.no_grad():
                    for index, found in passes([items[i] for i in missing]):
                        for k, row in zip(index, found, strict=True):
                            rows[missing[k]] = row
            except (MemoryError, RuntimeError) as error:  # on the CPU torch has no error of its own for it
                if not is_out_of_memory(error):
                    raise
                self.halve_budget(error)
        return [row for row in rows if row is not None]

    def halve_budget(self, error: Exception) -> None:
        """After an out-of-memory error: smaller passes from now on. Raises `error` where they cannot get smaller."""
        if self.token_budget <= SMALLEST_BUDGET:
            raise error
        self.token_budget //= 2
        traceback.clear_frames(error.__traceback__)  # the failed pass's tensors, which its frames still hold
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.counts["out_of_memory"] += 1
        log.warning("Out of memory: policy.token_budget is now %d, the step is repeated.", self.token_budget)

    def describe(self) -> dict[str, Any]:
        """What the equivalence check found."""
        found = self._choice.inside or self._choice.beyond
        if found is None:
            return {"scorer": "not checked yet", "token_budget": self.token_budget}
        beyond = self._choice.beyond
        return found._asdict() | {"token_budget": self.token_budget, "beyond_window": beyond.scorer if beyond else None}

    def state_dict(self) -> dict[str, Any]:
        """The token budget, and what the equivalence check found: on other menus it might choose another scorer."""
        found = {"inside": self._choice.inside, "beyond": self._choice.beyond}
        results = {name: e and e._asdict() for name, e in found.items()}
        return {"token_budget": self.token_budget, "equivalence": {"device": self._device, **results}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`. On another device the scorers are checked again."""
        self.token_budget = counter(state["token_budget"], "the token budget", least=1)
        saved = state["equivalence"]
        if saved["device"] != self._device:
            return
        if saved["inside"] and saved["inside"]["scorer"] in SCORERS:
            self._choice.inside = _equivalence(saved["inside"])
        if saved["beyond"] and saved["beyond"]["scorer"] in SCORERS:
            self._choice.beyond = _equivalence(saved["beyond"])

    @property
    def _device(self) -> str:
        return str(self.lm.get_input_embeddings().weight.device.type)

    def _scorers(self, menus: Sequence[list[EncodedAction]]) -> list[str]:
        """The scorer of every menu; the first call, on real prompts and as it is trained, is the equivalence check."""
        return self._choice.of(self.lm, list(menus), with_gradient=self._learns, token_budget=self.token_budget)

    def _path_passes(self, scorer: str, paths: list[EncodedAction]) -> Passes:
        yield list(range(len(paths))), self._sums(scorer, [[paths]])

    def _sums(self, scorer: str, rows: Rows) -> Tensor:
        """The log-probability of every continuation of a pass, on the CPU."""
        found = token_log_probs(self.lm, scorer, rows, self.token_budget, self.forward)
        counts = torch.tensor([len(s.continuation) for row in rows for menu in row for s in menu])
        owner = torch.repeat_interleave(torch.arange(len(counts)), counts).to(found.device)
        self.counts["passes"] += 1
        return sum_tokens(found, owner, len(counts)).cpu()

    def _limits(self) -> Limits:
        return Limits(self.token_budget, self.settings.menus_per_row)


def _equivalence(saved: dict[str, Any]) -> Equivalence:
    """What a check found, from a file. Raises `ValueError` or `TypeError` where it cannot be that."""
    found = Equivalence(**saved)
    for error in (found.value_error, found.gradient_error):
        if error is not None and type(error) is not float:
            raise ValueError(f"an error of {found.scorer} is {error!r:.80}")
    if not all(isinstance(text, str) for pair in found.refused.items() for text in pair):
        raise ValueError(f"what was refused is {found.refused!r:.80}")
    return found


def check_bias(decision: Decision) -> None:
    """Raise `MenuError` for log-weights that are not one finite number per action; none at all are fine."""
    if decision.bias and (len(decision.bias) != len(decision.menu) or not all(map(math.isfinite, decision.bias))):
        raise MenuError(
            f"Expected one finite log-weight per action, got {decision.bias} for the {len(decision.menu)} actions "
            f"{decision.menu}."
        )
