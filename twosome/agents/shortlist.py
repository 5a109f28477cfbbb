"""Which of many phrases are on offer at all: the best by the frozen model, which stay the same for ever.

What chooses never learns and is never advised, so the shortlist of a state is a constant: decisions can be kept,
compared and replayed, and a resumed run meets the same menus.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from twosome.agents.caches import Cache
from twosome.agents.prompts import Prompter
from twosome.lm.candidates import best_candidates
from twosome.lm.engine import Engine
from twosome.types import Menu, Observation

if TYPE_CHECKING:
    from twosome.config.schema import PolicySettings

WIDER = 2
"""The beam is so many times as wide as a shortlist is long: what begins badly may still end well."""


class Shortlist:
    """Of the phrases of a menu that begin with one word, where they are more than `policy.shortlist`, the best so many.

    All other phrases stay, and so does the order; without `policy.shortlist` the menu is as it was.
    """

    def __init__(self, settings: PolicySettings, prompter: Prompter):
        self.prompter, self.k = prompter, settings.shortlist
        self._kept: Cache[bytes, tuple[int, ...]] = Cache(settings.reuse_capacity)

    def __call__(self, engine: Engine, observation: Observation, menu: Menu) -> Menu:
        """What is on offer in a state. Raises as `best_candidates` does."""
        if self.k is None or len(menu.phrases) <= self.k:
            return menu
        groups: dict[str, list[int]] = {}
        for position, phrase in enumerate(menu.phrases):
            groups.setdefault(next(iter(phrase.split()), ""), []).append(position)
        if all(len(group) <= self.k for group in groups.values()):
            return menu
        state = self.prompter.plain(observation)
        kept = sorted(i for group in groups.values() for i in self._best(engine, state, menu.phrases, group))
        return Menu(tuple(menu.phrases[i] for i in kept), tuple(menu.indices[i] for i in kept))

    def _best(self, engine: Engine, state: str, phrases: tuple[str, ...], group: list[int]) -> list[int]:
        if self.k is None or len(group) <= self.k:
            return group
        asked = tuple(phrases[i] for i in group)
        key = hashlib.sha256("\0".join((state, *asked)).encode("utf-8", "surrogatepass")).digest()
        found = self._kept.get(key)
        if found is None:
            best = best_candidates(engine, state, asked, self.k, WIDER * self.k, adapter=False)
            found = tuple(candidate.position for candidate in best)
            if engine.settings.reuse:
                self._kept.keep(key, found)
        return [group[i] for i in found]
