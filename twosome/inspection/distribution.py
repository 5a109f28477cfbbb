"""One decision taken apart: what the policy would do here, and which words and tokens make it think so.

    d = policy.inspect(prompt, menu)          # in a notebook or a terminal it shows itself as a table
    d.probs, d.scores, d.value, d.entropy     # over d.actions, the legal actions in the menu's order
    d.words[0]                                # every word of the first action, with its tokens
    d.by_normalization["token"]               # the probabilities had scores been divided by tokens
    twosome.compare(before=d, after=e)        # two or more side by side

It knows nothing of models: it is made of token log-probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from twosome.config.names import near
from twosome.errors import ConfigError, MenuError
from twosome.inspection import action_value_views, recollection_views, views
from twosome.inspection.parts import Token, Word, optional
from twosome.inspection.recollection import Recollection
from twosome.types import NORMALIZATIONS, Decision, EncodedAction, Tokenizer

if TYPE_CHECKING:
    import torch
    from rich.console import RenderableType


@dataclass(frozen=True)
class ActionDistribution:
    """The policy's distribution over one menu, and where it comes from. Arrays are float64 [A].

    `actions`: the phrases of the legal actions, in the menu's order.
    `words`: for every action its words and their tokens.
    `alone`: the log-probability of every action after no prompt at all.
    `value`: the critic's estimate of the discounted return from here on.
    `normalization`: how sums become `scores`, see `twosome.lm.normalize`; `log_probs` and `probs` follow.
    `illegal`: phrases that the environment names here but does not allow; they have no probability.
    `action_values`: what a critic of actions expects of every action; empty where there is none. `given`: the policy's
    log-probabilities where they come from these values and not from the scores; empty where they come from the scores.
    `recollection`: what a memory recalled here, and `without`: the same decision without it; None where none was asked.
    """

    prompt: str
    actions: tuple[str, ...]
    words: tuple[tuple[Word, ...], ...]
    alone: np.ndarray
    value: float
    normalization: str = "word"
    illegal: tuple[str, ...] = ()
    temperature: float = 1.0
    bias: tuple[float, ...] = ()
    action_values: tuple[float, ...] = ()
    given: tuple[float, ...] = ()
    recollection: Recollection | None = None
    without: ActionDistribution | None = None

    @classmethod
    def of(
        cls,
        decision: Decision,
        sequences: Sequence[EncodedAction],
        token_log_probs: torch.Tensor,
        value: float,
        normalization: str,
        tokenizer: Tokenizer,
        *,
        temperature: float = 1.0,
    ) -> ActionDistribution:
        """From the log-probabilities of all continuation tokens, then of the same tokens after no prompt."""
        _known(normalization)
        numbers = token_log_probs.detach().double().cpu().tolist()
        counts = [len(s.continuation) for s in sequences]
        ends = np.cumsum([0, *counts, *counts])
        parts = [numbers[a:b] for a, b in pairwise(ends)]
        n = len(sequences)
        words = tuple(
            _words(action, s, log_probs, tokenizer)
            for action, s, log_probs in zip(decision.menu, sequences, parts[:n], strict=True)
        )
        alone = np.array([math.fsum(p) for p in parts[n:]])
        return cls(
            decision.prompt,
            decision.menu,
            words,
            alone,
            value,
            normalization,
            temperature=temperature,
            bias=decision.bias,
        )

    # What it says ------------------------------------------------------------------------------------------

    @cached_property
    def sums(self) -> np.ndarray:
        """Log-probability of every action as text: the sum over its tokens."""
        return np.array([math.fsum(w.log_prob for w in words) for words in self.words])

    def scores_by(self, normalization: str) -> np.ndarray:
        """The sums over words, tokens or 1; for `unconditional` less `alone`, over words."""
        _known(normalization)
        n_words = np.array([len(words) for words in self.words], float)
        if normalization == "unconditional":
            return (self.sums - self.alone) / n_words
        n_tokens = np.array([sum(len(w.tokens) for w in words) for words in self.words], float)
        return self.sums / {"word": n_words, "token": n_tokens, "sum": np.ones_like(n_words)}[normalization]

    def _logits(self, normalization: str) -> np.ndarray:
        scores = self.scores_by(normalization) / self.temperature
        return scores + np.array(self.bias) if self.bias else scores

    @cached_property
    def scores(self) -> np.ndarray:
        return self.scores_by(self.normalization)

    @cached_property
    def log_probs(self) -> np.ndarray:
        return np.array(self.given) if self.given else _log_softmax(self._logits(self.normalization))

    @cached_property
    def probs(self) -> np.ndarray:
        return np.exp(self.given) if self.given else _softmax(self._logits(self.normalization))

    @cached_property
    def by_normalization(self) -> dict[str, np.ndarray]:
        """The probabilities under `word`, `token`, `sum` and `unconditional`, side by side."""
        return {name: _softmax(self._logits(name)) for name in NORMALIZATIONS}

    @property
    def entropy(self) -> float:
        """In nats: 0 where one action has all the probability, log A where the policy knows nothing."""
        return float(-np.sum(self.probs * np.where(self.probs > 0, self.log_probs, 0.0)))

    @property
    def best(self) -> str:
        """The most probable action, the first of equals."""
        return self.actions[int(np.argmax(self.probs))]

    def prob(self, action: str) -> float:
        """The probability of a phrase, 0 where it is not allowed. Raises `MenuError` for an unknown one."""
        if action in self.actions:
            return float(self.probs[self.actions.index(action)])
        if action in self.illegal:
            return 0.0
        raise MenuError(f"{action!r} is not an action of this menu: {', '.join(map(repr, self.actions))}.")

    # Other views of the same -------------------------------------------------------------------------------

    def with_normalization(self, normalization: str) -> ActionDistribution:
        """The same decision scored otherwise; no model is asked again."""
        without = self.without and self.without.with_normalization(normalization)
        return replace(self, normalization=_known(normalization), without=without)

    def with_memory(self, recollection: Recollection, without: ActionDistribution) -> ActionDistribution:
        """The same decision with what a memory recalled for it, and beside what it would be `without`."""
        return replace(self, recollection=recollection, without=without)

    def with_illegal(self, actions: Sequence[str], is_legal: Sequence[bool] | None = None) -> ActionDistribution:
        """Also show what is not allowed: `info["actions"]` and `info["action_mask"]`, or just the phrases."""
        flags = [False] * len(actions) if is_legal is None else is_legal
        named = dict.fromkeys(a for a, legal in zip(actions, flags, strict=True) if not legal)
        return replace(self, illegal=tuple(a for a in named if a not in self.actions))

    # Ways out ----------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain lists, strings and numbers, ready for JSON."""
        memory: dict[str, Any] = {}
        if self.recollection is not None and self.without is not None:
            without = {"probs": self.without.probs.tolist(), "log_probs": self.without.log_probs.tolist()}
            memory = {"memory": self.recollection.to_dict(), "without_memory": without}
        return {
            "prompt": self.prompt,
            "normalization": self.normalization,
            "value": self.value,
            "entropy": self.entropy,
            "actions": list(self.actions),
            "illegal": list(self.illegal),
            "probs": self.probs.tolist(),
            "log_probs": self.log_probs.tolist(),
            "scores": self.scores.tolist(),
            "sums": self.sums.tolist(),
            "alone": self.alone.tolist(),
            "by_normalization": {name: probs.tolist() for name, probs in self.by_normalization.items()},
            "words": [
                [{"word": w.word, "log_prob": w.log_prob, "tokens": list(map(list, w.tokens))} for w in words]
                for words in self.words
            ],
            **({"action_values": list(self.action_values)} if self.action_values else {}),
            **memory,
        }

    def to_frame(self) -> Any:
        """A pandas DataFrame, a row per action, illegal ones last. Raises `ImportError` without pandas."""
        pd = optional("pandas")
        legal = {
            "action": self.actions,
            "legal": True,
            "prob": self.probs,
            "log_prob": self.log_probs,
            "score": self.scores,
            "sum": self.sums,
            "alone": self.alone,
            "words": [len(words) for words in self.words],
            "tokens": [sum(len(w.tokens) for w in words) for words in self.words],
            **({"action_value": self.action_values} if self.action_values else {}),
            **{f"prob_{name}": probs for name, probs in self.by_normalization.items()},
        }
        frame = pd.DataFrame(legal)
        if self.illegal:
            index = range(len(frame) + len(self.illegal))
            frame = frame.reindex(index)
            frame["action"] = [*self.actions, *self.illegal]
            frame["legal"] = [True] * len(self.actions) + [False] * len(self.illegal)
            frame.loc[~frame["legal"], "prob"] = 0.0
        return frame

    def plot(self, ax: Any = None) -> Any:
        """Bars of the probabilities with their numbers, on matplotlib axes; returns the axes."""
        return views.plot(self, ax)

    def _repr_html_(self) -> str:
        shown = action_value_views.html(self) if self.action_values else views.html(self)
        if self.recollection is None or self.without is None:
            return shown
        return shown + recollection_views.html(self.recollection, self.without, self)

    def __rich__(self) -> RenderableType:
        shown = action_value_views.rich_table(self) if self.action_values else views.rich_table(self)
        if self.recollection is None or self.without is None:
            return shown
        from rich.console import Group

        return Group(shown, recollection_views.rich_group(self.recollection, self.without, self))

    def __str__(self) -> str:
        return views.plain(self)

    def __repr__(self) -> str:
        shown = ", ".join(f"{a!r}: {p:.3f}" for a, p in zip(self.actions, self.probs, strict=True))
        return f"ActionDistribution({{{shown}}}, value={self.value:.3f}, entropy={self.entropy:.3f})"


def _known(normalization: str) -> str:
    if normalization not in NORMALIZATIONS:
        raise ConfigError(
            f"Unknown normalization {normalization!r}.{near(str(normalization), list(NORMALIZATIONS))} "
            f"Known: {', '.join(NORMALIZATIONS)}."
        )
    return normalization


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    shifted = scores - scores.max()
    return shifted - np.log(np.exp(shifted).sum())


def _softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def _words(action: str, sequence: EncodedAction, log_probs: Sequence[float], tokenizer: Tokenizer) -> tuple[Word, ...]:
    pieces = _pieces(tokenizer, sequence)
    words = []
    for word, (first, last) in zip(action.split(), sequence.words, strict=True):
        parts = tuple(Token(pieces[k], log_probs[k]) for k in range(first, last))
        words.append(Word(word, math.fsum(t.log_prob for t in parts), parts))
    return tuple(words)


def _pieces(tokenizer: Tokenizer, sequence: EncodedAction) -> list[str]:
    """The text that each token adds to the text before it; decoded alone it may lose its space."""
    before = max(0, sequence.start - 1)
    texts = [
        tokenizer.decode(list(sequence.ids[before:k]), clean_up_tokenization_spaces=False)
        for k in range(sequence.start, len(sequence.ids) + 1)
    ]
    return [b[len(a) :] if b.startswith(a) else b for a, b in pairwise(texts)]
