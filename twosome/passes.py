"""Menus -> forward passes: which scorer a menu takes, what fits under the token budget, and the scores pass
by pass.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from twosome import scoring
from twosome.forest import batches, pack
from twosome.probe import Menu, attention_window, probe
from twosome.scorers import SCORERS, Probe

log = logging.getLogger(__name__)


class ScorerChoice:
    """The scorer of every menu: what the probe found for paths inside the model's attention window and, once
    one is met, for paths beyond it. `setting`: `auto`, or the name of a scorer to take unprobed (inside the
    window).
    """

    def __init__(self, setting: str = "auto"):
        self.setting = setting
        self.inside: Probe | None = None if setting == "auto" else Probe(setting)
        self.beyond: Probe | None = None if setting in ("auto", "forest") else Probe(setting)

    def of(self, lm: Any, menus: list[Menu], *, with_gradient: bool, token_budget: int) -> list[str]:
        """A scorer's name for every menu. The first menus of each kind are probed, here and now."""
        window = attention_window(lm) or math.inf
        is_beyond = [max(len(s.ids) for s in menu) - 1 > window for menu in menus]
        inside, beyond = (
            [m for m, b in zip(menus, is_beyond, strict=True) if b == which] for which in (False, True)
        )
        if inside and self.inside is None:
            self.inside = _logged(probe(lm, inside, with_gradient=with_gradient, token_budget=token_budget))
        if beyond and self.beyond is None:
            self.beyond = _logged(probe(lm, beyond, with_gradient=with_gradient, token_budget=token_budget))
        names = {False: self.inside and self.inside.scorer, True: self.beyond and self.beyond.scorer}
        return [names[b] or "separate" for b in is_beyond]


def _logged(found: Probe) -> Probe:
    log.log(logging.WARNING if found.refused else logging.INFO, "Scorer: %s", found)
    return found


def cut(
    menus: list[Menu], scorers: list[str], budget: int, menus_per_row: int
) -> list[tuple[str, list[list[int]]]]:
    """Forward passes under the token budget: (scorer, rows of indices of menus). A menu is never split."""
    passes: list[tuple[str, list[list[int]]]] = []
    for name in dict.fromkeys(scorers):
        index = [i for i, scorer in enumerate(scorers) if scorer == name]
        if name == "forest":
            rows = pack([[s.ids[:-1] for s in menus[i]] for i in index], budget, menus_per_row)
            passes += [(name, [[index[k] for k in row] for row in one]) for one in rows]
        else:
            blocks = [_block(menus[i], name) for i in index]
            passes += [(name, [[index[k]] for k in one]) for one in batches(blocks, budget)]
    return passes


def _block(menu: Menu, scorer: str) -> tuple[int, int]:
    """Rows and width in tokens of what a scorer that shares no rows feeds for one menu."""
    longest = max(len(s.ids) - 1 for s in menu)
    if scorer == "separate":
        return len(menu), longest
    prompt = min(s.start for s in menu)
    return 1, prompt + len(menu) * (longest - prompt + 1)


def score(
    lm: Any,
    menus: list[Menu],
    alone: list[Menu],
    scorers: list[str],
    budget: int,
    menus_per_row: int,
    normalization: str,
) -> Iterator[tuple[list[int], Tensor]]:
    """Pass by pass: (indices of menus, their action log-probabilities [n, M] padded with -inf).

    `alone`: for `unconditional`, the same actions after no prompt, menu by menu; else empty lists.
    """
    groups = [[*menu, *extra] for menu, extra in zip(menus, alone, strict=True)]
    for name, rows in cut(groups, scorers, budget, menus_per_row):
        index = [i for row in rows for i in row]
        token_log_probs = SCORERS[name](lm, [[groups[i] for i in row] for row in rows])
        yield index, scoring.menu_log_probs(token_log_probs, [menus[i] for i in index], normalization)
