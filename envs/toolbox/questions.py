"""The questions of a session, drawn by its number: what is asked, the answers on offer, what can be read about it.

Drawn with nothing but the uniform numbers of `random.Random`, whose sequence Python promises to keep. The same number
gives the same questions at any price. What is fresh is drawn anew for every question, so nothing that was found out
helps later.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from ..draws import pick, shuffled
from . import text
from .words import HABITS, PEOPLE, PLACES, RUMOURS, WORDS, Words

N_ANSWERS = 4
"""Candidate answers of a question."""
MISLEADS = 0.8
"""How often what can be read about a rumour is wrong."""
FIRST, PRICES, STEP = 100, 400, 10
"""Numbers to be added: the smallest, how many there are of one of the two, and how far the candidate sums lie apart.

Candidates that lie 10 apart end in the same digit, so that the last digit tells nothing.
"""
MORE = 40
"""By how much a price that is told by another is larger, at most."""
MOST_NESTING = 3
"""How many calculations a nested question can need at most, one inside the other."""


class Kind(IntEnum):
    """What a question asks for; each is worded in its own way."""

    HABIT = 0
    FRESH = 1
    SUM = 2
    NESTED = 3
    RUMOUR = 4


SHARES = {Kind.HABIT: 0.25, Kind.FRESH: 0.2, Kind.SUM: 0.2, Kind.NESTED: 0.2, Kind.RUMOUR: 0.15}
"""How often each kind is asked; every question is drawn by itself."""
ASKED: dict[Kind, Callable[..., str]] = {
    Kind.HABIT: text.asks_habit,
    Kind.FRESH: text.asks_fresh,
    Kind.SUM: text.asks_sum,
    Kind.NESTED: text.asks_nested,
    Kind.RUMOUR: text.asks_rumour,
}


class Question(NamedTuple):
    """One question.

    subject: of a habit or rumour, its place in `HABITS` or `RUMOURS`; else -1.
    words: what it names: the thing and its attribute, two numbers, two things, a deed.
    expression: what is to be calculated, "" where nothing is. Parts that are no numbers have to be found out.
    facts: what can be read about it, as (topic, value); of a rumour mostly wrong. Of a price the value may be an
        expression again. The first are what the question names.
    answers: those on offer [N_ANSWERS]; right: the index of the right one. number: no other question has it.
    """

    kind: Kind
    subject: int
    words: tuple[str, ...]
    expression: str
    facts: tuple[tuple[str, str], ...]
    answers: tuple[str, ...]
    right: int
    number: str

    @property
    def topics(self) -> tuple[str, ...]:
        """What can be searched for by the words of the question alone."""
        return tuple(topic for topic, _ in self.facts[:2]) or (self.expression,)


def asked(question: Question) -> str:
    """The question as a sentence."""
    return ASKED[question.kind](*question.words)


class Plan(NamedTuple):
    """What sessions are drawn from; hashable.

    split: whose words; n: questions of a session; levels: of prices, one of which is drawn; nesting: how many
    calculations a nested question needs, one inside the other.
    """

    split: str
    n: int
    levels: tuple[float, ...]
    nesting: int = 1


class Session(NamedTuple):
    """The level of prices, and the questions in order."""

    level: float
    questions: tuple[Question, ...]


@functools.lru_cache(maxsize=256)
def session(plan: Plan, number: int) -> Session:
    """The session of a number."""
    level = pick(random.Random(f"toolbox level {number}"), plan.levels)
    rng = random.Random(f"toolbox {plan.split} {number}")
    return Session(level, tuple(_question(rng, plan, f"{number} {k}") for k in range(plan.n)))


def _question(rng: random.Random, plan: Plan, number: str) -> Question:
    # Every question begins with a seed of its own, so that nesting changes nested questions alone.
    chance, rng = rng.random(), random.Random(f"toolbox {plan.split} question {number}")
    for kind, share in SHARES.items():
        if chance < share or kind == Kind.RUMOUR:
            break
        chance -= share
    if kind == Kind.HABIT:
        return _habit(rng, number)
    if kind == Kind.RUMOUR:
        return _rumour(rng, number)
    if kind == Kind.FRESH:
        return _fresh(rng, WORDS[plan.split], number)
    return _sum(rng, plan, kind, number)


def _habit(rng: random.Random, number: str) -> Question:
    subject = int(rng.random() * len(HABITS))
    thing, place = list(HABITS.items())[subject]
    answers, right = _offered(rng, place, shuffled(rng, [it for it in PLACES if it != place]))
    return Question(Kind.HABIT, subject, (thing,), "", ((text.keep(thing), place),), answers, right, number)


def _rumour(rng: random.Random, number: str) -> Question:
    subject = int(rng.random() * len(RUMOURS))
    deed, who = list(RUMOURS.items())[subject]
    others = shuffled(rng, [it for it in PEOPLE if it != who])
    said = others[0] if rng.random() < MISLEADS else who
    answers, right = _offered(rng, who, others)
    return Question(Kind.RUMOUR, subject, (deed,), "", ((deed, said),), answers, right, number)


def _fresh(rng: random.Random, words: Words, number: str) -> Question:
    thing, attribute = pick(rng, words.things), pick(rng, list(words.values))
    value, *others = shuffled(rng, words.values[attribute])
    answers, right = _offered(rng, value, others)
    facts = ((text.of(attribute, thing), value),)
    return Question(Kind.FRESH, -1, (attribute, thing), "", facts, answers, right, number)


def _sum(rng: random.Random, plan: Plan, kind: Kind, number: str) -> Question:
    """Two numbers to add, as they are or as prices that have to be found.

    The candidates are drawn before the number that stands alone, and which of them is right by itself: so neither the
    candidates nor one of the two numbers (but for the ends of its range) tell anything about the sum.
    """
    lowest, right = 2 * FIRST + PRICES + int(rng.random() * PRICES), int(rng.random() * N_ANSWERS)
    sums = [lowest + STEP * k for k in range(N_ANSWERS)]
    one = FIRST + int(rng.random() * PRICES)
    numbers = shuffled(rng, [one, sums[right] - one])
    answers = shuffled(rng, [str(it) for it in sums])
    place = answers.index(str(sums[right]))
    if kind == Kind.SUM:
        words = tuple(map(str, numbers))
        return Question(kind, -1, words, text.plus(*words), (), tuple(answers), place, number)
    things = shuffled(rng, WORDS[plan.split].things)
    names = [text.of(text.PRICE, thing) for thing in things]
    facts = [(names[0], str(numbers[0])), (names[1], str(numbers[1]))]
    for k in range(1, plan.nesting):  # the last price is that of one more thing and a little more
        left = int(facts[-1][1]) - 1 - int(rng.random() * MORE)
        facts[-1] = (facts[-1][0], text.plus(names[k + 1], str(int(facts[-1][1]) - left)))
        facts.append((names[k + 1], str(left)))
    order = shuffled(rng, (0, 1))
    words = tuple(things[k] for k in order)
    facts[:2] = [facts[k] for k in order]
    return Question(kind, -1, words, text.plus(facts[0][0], facts[1][0]), tuple(facts), tuple(answers), place, number)


def _offered(rng: random.Random, right: str, others: list[str]) -> tuple[tuple[str, ...], int]:
    """Four answers in a random order, the first three of the others among them, and where the right one stands."""
    answers = shuffled(rng, [right, *others[: N_ANSWERS - 1]])
    return tuple(answers), answers.index(right)
