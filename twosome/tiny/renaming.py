"""A situation with other nouns, one for one, throughout goal, scene and menu. Pure.

What the reader has not met are worlds: their goals with their scenes. Their nouns it knows from elsewhere, but no
renaming of another world comes out as one of them (pancake -> pizza would be the world of the pizza).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from random import Random

from twosome.tiny import words as w
from twosome.tiny.situations import Situation

POOLS = (w.CONTAINERS, w.VESSELS, w.BOARDS, w.SURFACES, w.DEVICES, w.SEATS, w.DISHES, w.FOODS, w.THINGS)
GOALS = (  # of the worlds that the reader has not met
    "Heat up the cheese in the microwave.", "Heat up the hamburger in the microwave.",
    "Heat up the apple pie in the microwave.", "Heat up the pizza in the microwave.",
    "Heat up the dishes in the dishwasher.", "Heat up the clothes in the washing machine.",
    "Wash the clothes in the washing machine.",
    "Serve a bowl that holds only chopped onion.", "Serve a bowl that holds only chopped lettuce and onion.",
    "Serve a bowl that holds only chopped tomato, lettuce and onion.",
)  # fmt: skip
TRIES = 8  # draws until a renaming is none of these and has no two equal actions


def is_held_out(goal: str) -> bool:
    """Is it the goal of a world that the reader has not met, in whatever order its nouns stand?"""
    return _bag(goal) in _held_out()


def renamed(rng: Random, s: Situation, share: float = 1.0) -> Situation:
    """The situation with other nouns; `share`: how probable it is for each. The order of the menu stays.

    Where no draw is fit, the situation as it is.
    """
    return together(rng, (s,), share)[0]


def together(rng: Random, some: Sequence[Situation], share: float = 1.0) -> Sequence[Situation]:
    """Several situations with the same other nouns, as `renamed`."""
    for _ in range(TRIES):
        swap = renamer(rng, [text for s in some for text in (s.goal, s.scene, *s.menu)], share)
        new = [Situation(swap(s.goal), swap(s.scene), tuple(swap(a) for a in s.menu)) for s in some]
        if all(len(set(s.menu)) == len(s.menu) and not is_held_out(s.goal) for s in new):
            return new
    return some


def renamer(rng: Random, texts: Iterable[str], share: float = 1.0) -> Callable[[str], str]:
    """Replaces the nouns of `texts`, each by one of its kind and number that none of them is replaced by."""
    found = sorted({noun for text in texts for noun in nouns(text)})
    to = {noun: noun for noun in found if rng.random() >= share}
    for noun in found:
        if noun not in to:
            taken = set(to.values())
            alike = [x for x in _pool(noun) if x not in taken and (x in w.PLURALS) == (noun in w.PLURALS)]
            to[noun] = rng.choice(alike or [noun])

    def other(old: str) -> str:
        new = to.get(old.lower(), old)
        return old if new == old.lower() else _cased(old, new)

    def swap(text: str) -> str:
        return articles(_any_noun().sub(lambda m: other(m.group(1)), text))

    return swap


def nouns(text: str) -> set[str]:
    """The replaceable nouns of a text, in lower case."""
    return {m.group(1).lower() for m in _any_noun().finditer(text)}


def articles(text: str) -> str:
    """`a` before a consonant, `an` before a vowel (by letter: good enough for the nouns used here)."""
    text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
    return re.sub(r"\b([Aa])n (?=[^aeiouAEIOU\W])", r"\1 ", text)


@cache
def _any_noun() -> re.Pattern[str]:
    known = sorted({noun for pool in POOLS for noun in pool}, key=lambda noun: -len(noun))
    return re.compile(r"\b(" + "|".join(map(re.escape, known)) + r")(?=s?\b)", re.IGNORECASE)


@cache
def _pool(noun: str) -> tuple[str, ...]:
    """The first list that holds a noun."""
    return next(tuple(pool) for pool in POOLS if noun in {x.lower() for x in pool})


def _cased(old: str, new: str) -> str:
    return new.capitalize() if old[0].isupper() and not old.isupper() else new


def _bag(goal: str) -> tuple[str, ...]:
    return tuple(sorted(re.findall(r"\w+", goal.lower())))


@cache
def _held_out() -> frozenset[tuple[str, ...]]:
    return frozenset(map(_bag, GOALS))
