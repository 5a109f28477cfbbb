"""Menus -> micro-batches: which scorer a menu takes, what fits under the token budget, and the scores pass by pass."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from twosome.lm import normalize
from twosome.lm.equivalence import Equivalence, Menu, check_equivalence
from twosome.lm.pieces import token_log_probs
from twosome.lm.scorers import Forward, forward_at
from twosome.lm.trie import batches, pack
from twosome.lm.windows import attention_window
from twosome.types import EncodedAction, LanguageModel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """`token_budget`: most tokens of one pass; `menus_per_row`: menus merged into one row of it."""

    token_budget: int
    menus_per_row: int


class MicroBatch(NamedTuple):
    """Menus scored together: the scorer, and rows of indices of menus. One forward pass, or one large menu."""

    scorer: str
    rows: list[list[int]]


class ScorerChoice:
    """The scorer of every menu, by the equivalence check.

    One check is for paths inside the model's attention window, another, once one is met, for paths beyond it.
    `setting`: `auto`, or the name of a scorer to take unchecked (inside the window).
    """

    def __init__(self, setting: str = "auto"):
        self.setting = setting
        self.inside: Equivalence | None = None if setting == "auto" else Equivalence(setting)
        self.beyond: Equivalence | None = None if setting in ("auto", "trie") else Equivalence(setting)

    def of(self, lm: LanguageModel, menus: list[Menu], *, with_gradient: bool, token_budget: int) -> list[str]:
        """A scorer's name for every menu. The first menus of each kind are checked, here and now."""
        window = attention_window(lm) or math.inf
        is_beyond = [max(len(s.ids) for s in menu) - 1 > window for menu in menus]
        inside, beyond = ([m for m, b in zip(menus, is_beyond, strict=True) if b == which] for which in (False, True))
        if inside and self.inside is None:
            self.inside = _logged(check_equivalence(lm, inside, with_gradient=with_gradient, token_budget=token_budget))
        if beyond and self.beyond is None:
            self.beyond = _logged(check_equivalence(lm, beyond, with_gradient=with_gradient, token_budget=token_budget))
        names = {False: self.inside and self.inside.scorer, True: self.beyond and self.beyond.scorer}
        return [names[b] or "separate" for b in is_beyond]


def _logged(found: Equivalence) -> Equivalence:
    log.log(logging.WARNING if found.refused else logging.INFO, "Scorer: %s", found)
    return found


def split(menus: list[Menu], scorers: list[str], limits: Limits) -> list[MicroBatch]:
    """Cut menus into micro-batches under the token budget. A menu that exceeds it has one of its own."""
    result: list[MicroBatch] = []
    for name in dict.fromkeys(scorers):
        index = [i for i, scorer in enumerate(scorers) if scorer == name]
        if name == "trie":
            packed = pack([[s.ids[:-1] for s in menus[i]] for i in index], limits.token_budget, limits.menus_per_row)
            result += [MicroBatch(name, [[index[k] for k in row] for row in rows]) for rows in packed]
        else:
            blocks = [_block(menus[i], name) for i in index]
            result += [MicroBatch(name, [[index[k]] for k in one]) for one in batches(blocks, limits.token_budget)]
    return result


def _block(menu: Menu, scorer: str) -> tuple[int, int]:
    """Rows and width in tokens of what a scorer that shares no rows feeds for one menu."""
    longest = max(len(s.ids) - 1 for s in menu)
    if scorer == "separate":
        return len(menu), longest
    prompt = min(s.start for s in menu)
    return 1, prompt + len(menu) * (longest - prompt + 1)


class Scored(NamedTuple):
    """Menus as tokens, the same actions after no prompt (for `unconditional`, else empty), log-weights."""

    menus: Sequence[list[EncodedAction]]
    alone: Sequence[list[EncodedAction]]
    bias: Sequence[tuple[float, ...]]


def score(
    lm: LanguageModel,
    scored: Scored,
    scorers: list[str],
    limits: Limits,
    normalization: str,
    temperature: float = 1.0,
    forward: Forward = forward_at,
) -> Iterator[tuple[list[int], Tensor]]:
    """Micro-batch by micro-batch: (indices of menus, their action log-probabilities [n, M] padded with -inf)."""
    groups = [[*menu, *extra] for menu, extra in zip(scored.menus, scored.alone, strict=True)]
    for name, rows in split(groups, scorers, limits):
        index = [i for row in rows for i in row]
        found = token_log_probs(lm, name, [[groups[i] for i in row] for row in rows], limits.token_budget, forward)
        menus, bias = [scored.menus[i] for i in index], [scored.bias[i] for i in index]
        yield index, normalize.menu_log_probs(found, menus, normalization, temperature, bias)
