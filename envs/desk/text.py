"""The desk in words: questions, scenes and phrases. Knows no rules."""

from __future__ import annotations

from collections.abc import Sequence

from .questions import Kind, Question, Session

GOAL = "Answer the questions."


def asked(session: Session, question: Question) -> str:
    """The question as a sentence."""
    group = session.group
    names = [group.names[product] for product in question.products]
    if question.kind == Kind.CARE:
        made_of = group.materials[group.material_of[question.products[0]]]
        return f"What do I {session.topics[question.topic]} the {made_of} {names[0]} with?"
    attribute = group.attributes[question.attribute]
    if question.kind == Kind.FACT:
        return f"What is the {attribute} of the {names[0]}?"
    if question.kind == Kind.COMPARISON:
        return f"Compare the {attribute} of the {names[0]} and the {names[1]}."
    return f"Recommend one whose {attribute} is {wanted(session, question)}."


def wanted(session: Session, question: Question) -> str:
    """The entry that a recommendation asks for."""
    return session.group.values[question.products[0]][question.attribute]


def questions_left(n: int) -> str:
    """How many questions there are still to answer, the present one among them."""
    return f"{n} question{'' if n == 1 else 's'} left."


def rule(session: Session, number: int, means: str) -> str:
    """A rule of care, such as `clean glass with soap`."""
    topic, material = divmod(number, len(session.group.materials))
    return f"{session.topics[topic]} {session.group.materials[material]} with {means}"


def advice(session: Session, number: int, means: str) -> str:
    """What was advised of one product, such as `clean the lamp with soap`."""
    topic, product = divmod(number, len(session.group.names))
    return f"{session.topics[topic]} the {session.group.names[product]} with {means}"


def remembered(entries: Sequence[str]) -> str:
    """How many notes there are, and what they say."""
    if not entries:
        return "No notes."
    return f"{len(entries)} note{'' if len(entries) == 1 else 's'}: {', '.join(entries)}."


def recalled(n: int, entry: str | None) -> str:
    """How many things are remembered, and the one that is about the question."""
    if not n:
        return "No notes."
    return f"{n} note{'' if n == 1 else 's'}.{'' if entry is None else f' Recalled: {entry}.'}"


def costs(price: float) -> str:
    """What asking costs."""
    return f"Asking costs {price:g}."


def look_up(attribute: str, product: str) -> str:
    """The phrase of a look-up."""
    return f"look up the {attribute} of the {product}"


def found(attribute: str, product: str, value: str) -> str:
    """What a look-up has found."""
    return f"The {attribute} of the {product} is {value}."


def find(attribute: str, value: str) -> str:
    """The phrase of a search."""
    return f"find one whose {attribute} is {value}"


ASK, NOTE = "ask the adviser", "note the rule"


def advised(answer: str) -> str:
    """What the adviser has said."""
    return f"Advice: {answer}."


def say(answer: str) -> str:
    """The phrase of an answer."""
    return f"say {answer}"
