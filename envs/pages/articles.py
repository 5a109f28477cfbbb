"""The articles: 200 titles with categories, authors and references, always the same. No rules.

Drawn with nothing but the uniform numbers of `random.Random`, whose sequence Python promises to keep.
"""

from __future__ import annotations

import functools
import random
from typing import NamedTuple

CATEGORIES: dict[str, tuple[str, ...]] = {
    "kitchen": ("pot", "pan", "kettle", "spoon", "plate"),
    "furniture": ("chair", "table", "desk", "bed", "sofa"),
    "clothes": ("hat", "shirt", "jacket", "sock", "shoe"),
    "tools": ("hammer", "screwdriver", "broom", "bucket", "ladder"),
    "machines": ("computer", "camera", "phone", "radio", "fridge"),
    "music": ("guitar", "drum", "piano", "flute", "violin"),
    "travel": ("car", "boat", "tent", "suitcase", "wallet"),
    "house": ("lamp", "clock", "rug", "candle", "pillow"),
}
"""The things of every category."""

DOINGS: dict[str, tuple[str, str]] = {
    "clean": ("cleaning", "Take warm water and a soft towel."),
    "make": ("making", "Draw it first, then cut the parts."),
    "paint": ("painting", "Take two thin coats and let them dry."),
    "store": ("storing", "Keep it dry and out of the sun."),
    "find": ("finding", "Look where you had it last."),
}
"""What can be done with every thing: what one searches for, and what the articles say."""

AUTHORS: tuple[str, ...] = (
    *("Anna", "Ben", "David", "Ella", "Grace", "Henry", "Jonas", "Kate", "Lucy", "Max"),
    *("Mia", "Oscar", "Paul", "Peter", "Ruth", "Sam", "Simon", "Tina", "Tom", "Wendy"),
)
"""Every one has written as many articles."""

THINGS = tuple(thing for things in CATEGORIES.values() for thing in things)
VERBS, CATEGORY_NAMES = tuple(DOINGS), tuple(CATEGORIES)
TOPICS = len(THINGS) + len(VERBS)
"""What can be searched for: topics are the indices of things, and behind them those of verbs."""
REFERENCES = 2
"""Other articles that every article refers to."""


class Article(NamedTuple):
    """Indices of its thing, verb, category and author, and of the articles that it refers to."""

    thing: int
    verb: int
    category: int
    author: int
    references: tuple[int, ...]

    @property
    def title(self) -> str:
        """Such as `how to clean a lamp`; no other article has it."""
        return f"how to {VERBS[self.verb]} a {THINGS[self.thing]}"


@functools.cache
def articles() -> tuple[Article, ...]:
    """All articles, thing by thing."""
    rng = random.Random("pages articles")
    titles = [(thing, verb) for thing in range(len(THINGS)) for verb in range(len(VERBS))]
    authors = sorted((i % len(AUTHORS) for i in range(len(titles))), key=lambda _: rng.random())
    found = []
    for i, (thing, verb) in enumerate(titles):
        others = [other for other in range(len(titles)) if other != i]
        references = tuple(sorted(sorted(others, key=lambda _: rng.random())[:REFERENCES]))
        found.append(Article(thing, verb, thing * len(CATEGORIES) // len(THINGS), authors[i], references))
    return tuple(found)


@functools.cache
def about(topic: int) -> tuple[int, ...]:
    """The articles that a search for a topic finds."""
    return tuple(i for i, article in enumerate(articles()) if topic in (article.thing, len(THINGS) + article.verb))


@functools.cache
def by(author: int) -> tuple[int, ...]:
    """The articles of an author."""
    return tuple(i for i, article in enumerate(articles()) if article.author == author)


@functools.cache
def within(category: int) -> tuple[int, ...]:
    """The articles of a category."""
    return tuple(i for i, article in enumerate(articles()) if article.category == category)
