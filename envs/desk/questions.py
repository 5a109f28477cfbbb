"""The questions of a session, drawn by its number: what is asked, the answers on offer, what the adviser says.

Drawn with nothing but the uniform numbers of `random.Random`, whose sequence Python promises to keep. The same number
gives the same session at any price and with any adviser.
"""

from __future__ import annotations

import functools
import random
from enum import IntEnum
from typing import NamedTuple

from ..draws import pick, shuffled
from . import groups
from .groups import AND, N_ANSWERS, N_MATERIALS, N_PRODUCTS, Group, Source
from .words import WORDS

N_TOPICS = 2
N_RULES = N_TOPICS * N_MATERIALS
"""Rules of a session: a means of care for every topic and material, which no table holds."""
N_PAIRS = N_TOPICS * N_PRODUCTS
"""Care questions of a session that differ, as long as one knows of no rules."""


class Kind(IntEnum):
    """What a question asks for."""

    FACT = 0
    COMPARISON = 1
    RECOMMENDATION = 2
    CARE = 3


SHARES = {Kind.FACT: 0.2, Kind.COMPARISON: 0.15, Kind.RECOMMENDATION: 0.15, Kind.CARE: 0.5}
"""How often each kind is asked; every question is drawn by itself."""
LOOK_UPS = {Kind.FACT: 1, Kind.COMPARISON: 2, Kind.RECOMMENDATION: 1}
"""What the table must be asked for an answer."""


class Question(NamedTuple):
    """One question.

    products: indices of those that it names; of a recommendation the one that is meant, which is not named.
    attribute: index, of a question that the table answers; topic: index, of a care question; -1 where there is none.
    answers: those on offer [N_ANSWERS]; right, advice: the index of the right one, and of what the adviser says.
    """

    kind: Kind
    products: tuple[int, ...]
    attribute: int
    topic: int
    answers: tuple[str, ...]
    right: int
    advice: int


class Session(NamedTuple):
    """A group, the topics of care, the price of asking, and the questions in order."""

    group: Group
    topics: tuple[str, ...]
    cost: float
    questions: tuple[Question, ...]

    def rule(self, question: Question) -> int:
        """The number of the rule that answers a care question, from 0 to N_RULES - 1."""
        return question.topic * N_MATERIALS + self.group.material_of[question.products[0]]

    def pair(self, question: Question) -> int:
        """The number of a care question's topic and product, from 0 to N_PAIRS - 1."""
        return question.topic * N_PRODUCTS + question.products[0]

    def use(self, position: int) -> float:
        """Of what use the rule of the question at this position is: 1 / (1 + questions before that it answers).

        0 where it answers none after. (AGILE, arXiv 2405.14751, takes it for the value of an advice.)
        """
        rule = self.rule(self.questions[position])
        own = [it.topic >= 0 and self.rule(it) == rule for it in self.questions]
        return 1 / (1 + sum(own[:position])) if any(own[position + 1 :]) else 0.0


class Plan(NamedTuple):
    """What sessions are drawn from; hashable.

    split: whose words; own: a table of the user's instead of drawn products; n: questions of a session.
    costs: prices of asking, one of which is drawn; error: how often the adviser is wrong.
    """

    split: str
    n: int
    costs: tuple[float, ...]
    error: float = 0.0
    own: Source | None = None


@functools.lru_cache(maxsize=256)
def session(plan: Plan, number: int) -> Session:
    """The session of a number."""
    words = WORDS[plan.split]
    rng = random.Random(f"desk {plan.split} {number}")
    cost = pick(rng, plan.costs)
    group = groups.drawn(words, rng) if plan.own is None else plan.own.drawn(rng)
    topics = tuple(shuffled(rng, words.topics)[:N_TOPICS])
    means = shuffled(rng, words.means)
    # Every topic has its own answers, the same for all materials, so that no question tells anything about a rule.
    offers = [tuple(means[k * N_ANSWERS : (k + 1) * N_ANSWERS]) for k in range(N_TOPICS)]
    rules = [int(rng.random() * N_ANSWERS) for _ in range(N_RULES)]
    questions = [_question(rng, group, offers, rules) for _ in range(plan.n)]
    mistakes = [(rng.random(), 1 + int(rng.random() * (N_ANSWERS - 1))) for _ in range(plan.n)]
    advised = (
        question._replace(advice=(question.right + shift) % N_ANSWERS) if chance < plan.error else question
        for question, (chance, shift) in zip(questions, mistakes, strict=True)
    )
    return Session(group, topics, cost, tuple(advised))


def _question(rng: random.Random, group: Group, offers: list[tuple[str, ...]], rules: list[int]) -> Question:
    chance = rng.random()
    for kind, share in SHARES.items():
        if chance < share or kind == Kind.CARE:
            break
        chance -= share
    if kind == Kind.CARE:
        topic, product = int(rng.random() * N_TOPICS), int(rng.random() * N_PRODUCTS)
        right = rules[topic * N_MATERIALS + group.material_of[product]]
        return Question(kind, (product,), -1, topic, offers[topic], right, right)
    if kind == Kind.RECOMMENDATION:
        product, attribute = pick(rng, group.unique())
        named, wrong = (product,), [f"the {name}" for k, name in enumerate(group.names) if k != product]
        return _table_question(rng, kind, named, attribute, f"the {group.names[product]}", wrong)
    if kind == Kind.FACT:
        product, attribute = int(rng.random() * N_PRODUCTS), int(rng.random() * len(group.attributes))
        value = group.values[product][attribute]
        wrong = [it for it in group.others[attribute] if it != value]
        return _table_question(rng, kind, (product,), attribute, value, wrong)
    product, other, attribute = pick(rng, group.unlike())
    value, second = group.values[product][attribute], group.values[other][attribute]
    rest = shuffled(rng, [it for it in group.others[attribute] if it not in (value, second)])
    wrong = [f"{one}{AND}{two}" for one, two in ((value, rest[1]), (rest[0], second), (rest[0], rest[1]))]
    return _table_question(rng, kind, (product, other), attribute, f"{value}{AND}{second}", wrong)


def _table_question(
    rng: random.Random, kind: Kind, products: tuple[int, ...], attribute: int, answer: str, wrong: list[str]
) -> Question:
    """A question with the right answer and some wrong ones, in a random order."""
    answers = shuffled(rng, [answer, *shuffled(rng, wrong)[: N_ANSWERS - 1]])
    right = answers.index(answer)
    return Question(kind, products, attribute, -1, tuple(answers), right, right)
