"""The best of many phrases after one prompt, by a beam over the trie of their tokens: exact scores, few of them.

    say ─┬─ red                 where more than `width` prefixes go on, they are scored, all in one pass,
         ├─ rust                and the best `width` are kept; what ends below these is scored in the last pass
         └─ sal ── mon

A prefix counts as much as it would if it were a phrase of its own: its log-probability by its words, tokens or nothing,
as the policy divides. Only what is dropped depends on the beam; what is returned has the score that any menu gives it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import NamedTuple

from twosome.errors import ConfigError, NumericsError
from twosome.lm import normalize, tokens
from twosome.lm.adapter import adapter_off
from twosome.lm.engine import Engine
from twosome.types import EncodedAction


class Candidate(NamedTuple):
    """A phrase that was found: its position among those given, and its score in nats, as the policy has it."""

    position: int
    score: float


def best_candidates(
    engine: Engine, prompt: str, phrases: Sequence[str], k: int, width: int, *, adapter: bool = True
) -> tuple[Candidate, ...]:
    """The k best of many phrases after a prompt, as far as a beam of `width` prefixes finds them, in the menu's order.

    With a `width` of as many as there are phrases, they are the k best; of equal ones the first. It takes at most as
    many passes as the longest phrase has tokens, each of the prompt and at most `width` prefixes, under the token
    budget. `adapter`: False asks the frozen model.

    Raises `ConfigError` for `normalization=unconditional`, and for a `width` below k; `MenuError` and
    `ContextLengthError` as a menu does; `NumericsError` where the model gives a NaN.
    """
    if engine.settings.normalization == "unconditional":
        raise ConfigError(
            "policy.normalization=unconditional cannot choose among many phrases: a beginning has no score of its own "
            "kind. Use policy.normalization=word, token or sum."
        )
    if not 1 <= k <= width:
        raise ConfigError(f"Expected 1 or more phrases and a beam at least as wide, got {k} and {width}.")
    encoder = engine.encoder
    paths = tokens.encode(
        engine.tokenizer, prompt, tuple(phrases), engine.max_tokens, encoder.vocabulary, encoder.joint
    )
    scorer = engine.scorer_of(paths)
    with nullcontext() if adapter else adapter_off(engine.lm):
        left = _survivors(engine, scorer, paths, width)
        scores = _scores(engine, scorer, [paths[i] for i in left])
    best = sorted(zip(left, scores, strict=True), key=lambda found: (-found[1], found[0]))[:k]
    return tuple(sorted(Candidate(position, score) for position, score in best))


def _survivors(engine: Engine, scorer: str, paths: list[EncodedAction], width: int) -> list[int]:
    """The positions of the paths of which no prefix was dropped, in an order that is the tokens' own."""
    live, ended = sorted(range(len(paths)), key=lambda i: paths[i].ids), []
    for depth in itertools.count(1):
        ended += [i for i in live if len(paths[i].ids) == paths[i].start + depth]
        below: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        for i in live:
            if len(paths[i].ids) > paths[i].start + depth:
                below.setdefault((paths[i].start, paths[i].ids[: paths[i].start + depth]), []).append(i)
        if not below:
            return ended
        kept = list(below.values())
        if len(kept) > width:
            scores = _scores(engine, scorer, [_prefix(paths[members[0]], depth) for members in kept])
            order = sorted(range(len(kept)), key=lambda n: -scores[n])[:width]
            kept = [kept[n] for n in sorted(order)]
        live = [i for members in kept for i in members]
    raise AssertionError  # every path ends


def _prefix(path: EncodedAction, depth: int) -> EncodedAction:
    """The first `depth` tokens of a continuation, with the words that they have begun."""
    words = tuple((first, min(last, depth)) for first, last in path.words if first < depth)
    return EncodedAction(path.ids[: path.start + depth], path.start, words)


def _scores(engine: Engine, scorer: str, paths: list[EncodedAction]) -> list[float]:
    """Normalised log-probabilities of paths after one prompt. Raises `NumericsError` for a NaN."""
    by = normalize.lengths([paths], engine.settings.normalization)
    scores: list[float] = (engine.path_log_probs(paths, scorer) / by).tolist()
    if any(map(math.isnan, scores)):
        raise NumericsError(
            "The model gives the log-probability nan to a phrase of a shortlist. Half precision overflowed: use "
            "model.dtype=bfloat16 or float32."
        )
    return scores
