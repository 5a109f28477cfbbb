"""Texts that teach a model to read advice: which line to follow, whatever it says. Everything advised is random.

    own        what is encouraged and discouraged of the present menu
    example    the same of another scene, alike but for its nouns; sometimes one that is not, which says nothing
    warning    only what is discouraged: any other action
    repeated   a text, and the same again: what stands above can be said once more
    note       something remembered, and a question about it

Encouraged and discouraged actions and their values are drawn uniformly: no text says which action is good.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from random import Random

from twosome import advice
from twosome.advice import Lists, Valued
from twosome.tiny import prose, rooms, worktops
from twosome.tiny import words as w
from twosome.tiny.situations import Situation, is_are
from twosome.tiny.text import PROMPT, Text

KINDS = {"own": 0.40, "example": 0.30, "warning": 0.08, "repeated": 0.12, "note": 0.10}
ACTION, CONTEXT = 10.0, 0.1  # weight of a token of the action, and of one before it
UNLIKE = 0.15  # share of the examples that are of another scene altogether
TWO = 0.4  # share of the others before which such a one stands
HELD_OUT = frozenset({  # nouns of the worlds that the reader has not met: no other noun becomes one of them
    "cheese", "hamburger", "apple pie", "pizza", "dishes", "clothes", "dishwasher", "washing machine", "onion",
})  # fmt: skip
POOLS = (w.CONTAINERS, w.VESSELS, w.BOARDS, w.SURFACES, w.DEVICES, w.SEATS, w.DISHES, w.FOODS, w.THINGS)


def advised(rng: Random, worlds: Sequence[Sequence[Situation]]) -> Text:
    """One text. `worlds`: situations met in random play, as for `corpus.texts`."""
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    if kind == "repeated":
        return _repeated(rng, worlds)
    if kind == "note":
        return _note(rng)
    is_unlike = rng.random() < UNLIKE
    return text_of(rng, kind, _situation(rng, worlds), _situation(rng, worlds), is_unlike=is_unlike)


def text_of(rng: Random, kind: str, s: Situation, other: Situation, *, is_unlike: bool) -> Text:
    """A situation with random advice of a kind: `own`, `example` or `warning`.

    `other`: a situation for an example that is not alike, which stands first; `is_unlike`: it is the only one.
    """
    best, lists = _lists(rng, s.menu, is_warning=kind == "warning")
    bad = {entry.action for entry in lists.bad}
    targets = tuple(a for a in s.menu if a not in bad) if best is None else (best,)
    text = advice.own(lists)
    if kind == "example":
        first = advice.example(other.goal, other.scene, _lists(rng, other.menu)[1])
        text = first if is_unlike else (first if rng.random() < TWO else "") + _alike(rng, s, lists)
        targets = s.menu if is_unlike else targets
    prompt = text + PROMPT.format(goal=s.goal, scene=s.scene)
    return Text(f"{prompt} {rng.choice(targets)}", len(prompt), kind, targets, ACTION, CONTEXT)


def _alike(rng: Random, s: Situation, lists: Lists) -> str:
    """The same advice as that of a situation with other nouns."""
    like = renamed(rng, s)
    to = dict(zip(s.menu, like.menu, strict=True))
    moved = Lists(*(tuple(Valued(to[e.action], e.value) for e in part) for part in lists))
    return advice.example(like.goal, like.scene, moved)


def _lists(rng: Random, menu: tuple[str, ...], *, is_warning: bool = False) -> tuple[str | None, Lists]:
    """Random actions of a menu with random values; the best one of those that are encouraged."""
    order = rng.sample(menu, len(menu))
    n_good = 0 if is_warning else 1 if len(menu) < 3 else rng.choice((1, 1, 2))
    n_bad = rng.randint(1 if is_warning else 0, min(3, len(menu) - max(n_good, 1)))
    good = sorted((round(rng.uniform(0.03, 1), 2) for _ in range(n_good)), reverse=True)
    if len(set(good)) < len(good):  # which of two equals is best cannot be read
        good, n_good = good[:1], 1
    most = min(0.0 if is_warning else 1.0, *good, 1.0) if good else 0.0
    bad = sorted((round(rng.uniform(-0.5, most), 2) for _ in range(n_bad)), reverse=True)
    named = [Valued(a, v) for a, v in zip(order, [*good, *bad], strict=False)]
    return (order[0] if n_good else None), Lists(tuple(named[:n_good]), tuple(named[n_good:]))


def _situation(rng: Random, worlds: Sequence[Sequence[Situation]]) -> Situation:
    """A situation with a choice, of the worlds or arranged at random; its nouns are replaced half of the time."""
    while True:
        kind = rng.choice(("play", "play", "worktop", "home")) if worlds else rng.choice(("worktop", "home"))
        if kind == "play":
            s = rng.choice(rng.choice(worlds))
            s = renamed(rng, s) if rng.random() < 0.5 else s
        else:
            s = worktops.worktop(rng) if kind == "worktop" else rooms.home(rng)
        if len(set(s.menu)) == len(s.menu) > 1:
            return s


def renamed(rng: Random, s: Situation) -> Situation:
    """The situation with other nouns, one for one, throughout goal, scene and menu. The order of the menu stays."""
    texts = [s.goal, s.scene, *s.menu]
    found = sorted({m.group(1).lower() for text in texts for m in _any_noun().finditer(text)})
    to: dict[str, str] = {}
    for noun in found:
        taken = HELD_OUT.union(to.values())
        alike = [x for x in _pool(noun) if x not in taken and (x in w.PLURALS) == (noun in w.PLURALS)]
        to[noun] = rng.choice(alike or [noun])

    def swap(text: str) -> str:
        return articles(_any_noun().sub(lambda m: _cased(m.group(1), to[m.group(1).lower()]), text))

    new = Situation(swap(s.goal), swap(s.scene), tuple(swap(a) for a in s.menu))
    return new if len(set(new.menu)) == len(new.menu) else s


def articles(text: str) -> str:
    """`a` before a consonant, `an` before a vowel (by letter: good enough for the nouns used here)."""
    text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
    return re.sub(r"\b([Aa])n (?=[^aeiouAEIOU\W])", r"\1 ", text)


@cache
def _any_noun() -> re.Pattern[str]:
    nouns = sorted({noun for pool in POOLS for noun in pool}, key=lambda noun: -len(noun))
    return re.compile(r"\b(" + "|".join(map(re.escape, nouns)) + r")(?=s?\b)", re.IGNORECASE)


@cache
def _pool(noun: str) -> tuple[str, ...]:
    """The first list that holds a noun."""
    return next(tuple(pool) for pool in POOLS if noun in {x.lower() for x in pool})


def _cased(old: str, new: str) -> str:
    return new.capitalize() if old[0].isupper() and not old.isupper() else new


def _repeated(rng: Random, worlds: Sequence[Sequence[Situation]]) -> Text:
    """Two to five phrases or sentences, and the same again."""
    if rng.random() < 0.5:
        said = "; ".join(rng.choice(_situation(rng, worlds).menu) for _ in range(rng.randint(2, 5)))
    else:
        said = prose.paragraph(rng).split("\n")[0][:200]
    return Text(f"{said}\n{said}", 0, "repeated")


def _note(rng: Random) -> Text:
    """What some things are made of, and a question about one of them."""
    things = rng.sample(w.THINGS + w.CONTAINERS, rng.randint(1, 4))
    made = {thing: rng.choice(w.MATERIALS) for thing in things}
    notes = " ".join(f"You remember: the {thing} {is_are(thing)} made of {made[thing]}." for thing in things)
    asked = rng.choice(things)
    prompt = f"{notes}\nQuestion: What {is_are(asked)} the {asked} made of?\nAnswer:"
    return Text(f"{prompt} {made[asked]}", len(prompt), "note", (made[asked],), ACTION, CONTEXT)
