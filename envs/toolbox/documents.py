"""What can be searched while a question is asked: documents about everything, and what the best of them says.

They are generated for the question: what is true of habits, what is said of rumours, and facts about all things, drawn
anew. All that is true of the question stands in them, but of a rumour (`questions.MISLEADS`).
"""

from __future__ import annotations

import functools
import random
from typing import NamedTuple

from ..agent.bm25 import Index
from ..draws import pick
from . import text
from .questions import FIRST, PRICES, Question
from .words import HABITS, PEOPLE, RUMOURS, WORDS

PLUS = text.plus("", "")


class Document(NamedTuple):
    """A sentence: what it says of a topic, and the value in it."""

    topic: str
    value: str
    words: str


@functools.lru_cache(maxsize=64)
def documents(split: str, question: Question) -> tuple[Document, ...]:
    """All documents that there are while a question is asked."""
    rng, known = random.Random(f"toolbox documents {split} {question.number}"), dict(question.facts)
    found = []
    for thing, place in HABITS.items():
        found.append(Document(text.keep(thing), place, text.says_habit(thing, place)))
    for deed in RUMOURS:
        who = pick(rng, PEOPLE)
        who = known.get(deed, who)
        found.append(Document(deed, who, text.says_rumour(deed, who)))
    for thing in WORDS[split].things:
        drawn = {attribute: pick(rng, values) for attribute, values in WORDS[split].values.items()}
        drawn[text.PRICE] = str(FIRST + int(rng.random() * PRICES))
        for attribute, other in drawn.items():
            topic = text.of(attribute, thing)
            value = known.get(topic, other)
            found.append(Document(topic, value, _said(thing, topic, value)))
    return tuple(found)


def _said(thing: str, topic: str, value: str) -> str:
    other, is_told_by_another, more = value.partition(PLUS)
    if not is_told_by_another:
        return text.says_fresh(topic, value)
    return text.says_price(thing, int(more), other.removeprefix(text.of(text.PRICE, "")))


@functools.lru_cache(maxsize=64)
def _index(split: str, question: Question) -> Index:
    return Index([document.words for document in documents(split, question)])


@functools.lru_cache(maxsize=1024)
def search(split: str, question: Question, topic: str) -> Document | None:
    """The document that fits a topic best; None where none holds a word of it."""
    found = _index(split, question).search(topic)
    return documents(split, question)[found[0]] if found else None
