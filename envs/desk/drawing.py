"""The desk as a window: the question, the answers on offer, and the cards of the products. Knows no rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .. import window
from ..window import Row
from . import text
from .questions import Question, Session

PAINT = ("#b9c3cc", "#c79a5b", "#8fb3a1")
"""How the three materials of a session look."""


Notes = Mapping[int, Sequence[str]]
"""What is remembered, by material."""


def noted(session: Session, memory: Sequence[tuple[int, str]], *, is_rules: bool) -> dict[int, list[str]]:
    """What is remembered, rules or what was advised of products, by the material that it is about."""
    found: dict[int, list[str]] = {k: [] for k in range(len(session.group.materials))}
    for number, means in memory:
        if is_rules:
            topic, material = divmod(number, len(session.group.materials))
            found[material].append(f"{session.topics[topic]}: {means}")
        else:
            topic, product = divmod(number, len(session.group.names))
            told = f"{session.topics[topic]} {session.group.names[product]}: {means}"
            found[session.group.material_of[product]].append(told)
    return found


def page(session: Session, question: Question | None, left: int, notes: Notes) -> tuple[str, list[Row]]:
    """The title of the window and its rows: the question, the answers, the products by their material."""
    group = session.group
    rows = [Row("All questions are answered." if question is None else text.asked(session, question), is_task=True)]
    if question is not None:
        rows.append(Row("", chips=tuple((answer, False) for answer in question.answers)))
    for material, name in enumerate(group.materials):
        products = [it for it, own in zip(group.names, group.material_of, strict=True) if own == material]
        named = {group.names[product] for product in question.products} if question and question.topic >= 0 else set()
        chips = tuple((product, product in named) for product in products)
        rows.append(Row(name, ", ".join(notes.get(material, ())), dots=(PAINT[material],), chips=chips))
    return f"Desk: {text.questions_left(left)[:-1]}", rows


def picture(session: Session, question: Question | None, left: int, notes: Notes):
    """The window as uint8 [330, 660, 3]."""
    return window.picture(*page(session, question, left, notes))


def characters(session: Session, question: Question | None, left: int, notes: Notes) -> str:
    """The window in characters."""
    return window.characters(*page(session, question, left, notes))
