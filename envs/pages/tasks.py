"""What is to be done: from one to three instructions about an article, and what can be searched for. No rules."""

from __future__ import annotations

import functools
import random
from enum import IntEnum
from itertools import combinations
from typing import NamedTuple

from .articles import CATEGORIES, THINGS, articles


class Pattern(IntEnum):
    """The six kinds of instructions, in the order in which a task has them."""

    SEARCH = 0
    READ = 1
    REFERENCE = 2
    AUTHOR = 3
    CATEGORY = 4
    ABOUT = 5


MOST = 3
"""Instructions of a task, at most."""
DECOYS = 2
"""Topics that can be searched for and have nothing to do with the task."""


class Task(NamedTuple):
    """Instructions of several kinds about one article, to be followed one after the other."""

    article: int
    patterns: tuple[Pattern, ...]

    def said(self) -> tuple[int, ...]:
        """What the instructions say, apart from their kinds: the thing, and the verb where they name the article."""
        about = articles()[self.article]
        names_it = {*self.patterns} - {Pattern.SEARCH, Pattern.ABOUT}
        return (about.thing, about.verb) if names_it else (about.thing,)

    def topics(self) -> tuple[int, ...]:
        """What can be searched for: the article's thing and verb, and other things of its category, in order."""
        about, n = articles()[self.article], len(THINGS) // len(CATEGORIES)
        first = about.thing - about.thing % n
        decoys = [first + (about.thing + i) % n for i in range(1, 1 + DECOYS)]
        return tuple(sorted([about.thing, len(THINGS) + about.verb, *decoys]))


N_SET, N_TEST = 10, 100
SPLITS: dict[str, range] = {
    "train_0": range(N_SET),
    "train_1": range(N_SET, 2 * N_SET),
    "train": range(2 * N_SET),
    "test": range(2 * N_SET, 2 * N_SET + N_TEST),
    "all": range(2 * N_SET + N_TEST),
}
"""Numbers of the tasks: two sets to train on, together `train`, and others to test on."""

_CHOICES = tuple(tuple(combinations(Pattern, n)) for n in range(1, MOST + 1))


@functools.cache
def tasks() -> tuple[Task, ...]:
    """All tasks by number; no two say the same, nor are about the same article, and the about page alone is none.

    One, two and three instructions are equally frequent, and each is of other kinds by chance.
    """
    rng = random.Random("pages tasks")
    found: dict[tuple[tuple[int, ...], ...], Task] = {}
    for article in sorted(range(len(articles())), key=lambda _: rng.random())[: len(SPLITS["all"])]:
        choices = _CHOICES[len(found) % MOST]
        task = Task(article, (Pattern.ABOUT,))
        while task.patterns == (Pattern.ABOUT,) or (task.patterns, task.said()) in found:
            task = Task(article, choices[int(rng.random() * len(choices))])
        found[task.patterns, task.said()] = task
    return tuple(found.values())
