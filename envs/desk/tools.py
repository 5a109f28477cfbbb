"""What can be done at the desk beside answering: look up, find, ask the adviser, note a rule."""

from __future__ import annotations

import functools
from typing import NamedTuple

from ..agent.advisers import Adviser, meant
from ..agent.csv_table import shown
from ..agent.database import Database
from ..agent.internal_actions import AgentState
from ..base import Menu
from . import text
from .groups import Group
from .questions import Kind, Question, Session


class View(NamedTuple):
    """What the tools see of the world: the session, and the present question; None after the last."""

    session: Session
    question: Question | None


class Kept(NamedTuple):
    """What the agent keeps beside the notes of a question.

    memory: rules (or what was advised of products) with their means, by number; advice: of the present question, None
    where there is none. looked_up, asked, noted: how often in this session.
    """

    memory: tuple[tuple[int, str], ...] = ()
    advice: str | None = None
    looked_up: int = 0
    asked: int = 0
    noted: int = 0


@functools.lru_cache(maxsize=64)
def database(group: Group) -> Database:
    """The table of a group."""
    return Database(group.table())


def cells(session: Session, question: Question | None) -> tuple[tuple[int, int], ...]:
    """Every (product, attribute) that can be looked up: those of the products that the question names."""
    if question is None or question.kind == Kind.RECOMMENDATION:
        return ()
    return tuple((p, a) for p in question.products for a in range(len(session.group.attributes)))


class LookUp(NamedTuple):
    """`look up the colour of the lamp`: any attribute of a product that the question names, once each."""

    slots: int
    cost: float
    name: str = "look up"
    is_external: bool = False

    def menu(self, state: AgentState) -> Menu:
        """An entry for every attribute of every product named."""
        session, question = state.world
        group = session.group
        entries = cells(session, question)
        phrases = tuple(text.look_up(group.attributes[a], group.names[p]) for p, a in entries)
        return Menu(phrases, tuple(count == 0 for count in state.counts[: len(entries)]))

    def run(self, slot: int, state: AgentState) -> str:
        """Ask the table."""
        session, question = state.world
        group = session.group
        product, attribute = cells(session, question)[slot]
        name, column = group.names[product], group.attributes[attribute]
        return text.found(column, name, shown(database(group).value(name, column)))


class Find(NamedTuple):
    """`find one whose colour is red`: the product that a recommendation asks for."""

    cost: float
    slots: int = 1
    name: str = "find"
    is_external: bool = False

    def menu(self, state: AgentState) -> Menu:
        """One entry, where the question asks for a recommendation."""
        session, question = state.world
        if question is None or question.kind != Kind.RECOMMENDATION:
            return Menu((), ())
        wanted = text.wanted(session, question)
        return Menu((text.find(session.group.attributes[question.attribute], wanted),), (state.counts[0] == 0,))

    def run(self, slot: int, state: AgentState) -> str:
        """Ask the table."""
        session, question = state.world
        column, wanted = session.group.attributes[question.attribute], text.wanted(session, question)
        [name] = database(session.group).rows_with(column, wanted)
        return text.found(column, name, wanted)


class Ask(NamedTuple):
    """`ask the adviser`, once per question; without an adviser of flesh or code it is the oracle of the session."""

    cost: float
    adviser: Adviser | None = None
    slots: int = 1
    name: str = "ask"

    @property
    def is_external(self) -> bool:
        """Whether somebody outside is asked."""
        return self.adviser is not None

    def menu(self, state: AgentState) -> Menu:
        """One entry."""
        return Menu((text.ASK,), (state.world.question is not None and state.counts[0] == 0,))

    def run(self, slot: int, state: AgentState) -> str:
        """One of the answers on offer. Raises what an adviser outside raises, `AdviceError` for another answer."""
        session, question = state.world
        if self.adviser is None:
            return question.answers[question.advice]  # type: ignore[no-any-return]
        return meant(self.adviser(text.asked(session, question), question.answers), question.answers)


class Note(NamedTuple):
    """`note the rule`: what was advised of a product is kept as the rule of its material."""

    cost: float
    slots: int = 1
    name: str = "note"
    is_external: bool = False

    def menu(self, state: AgentState) -> Menu:
        """One entry at a care question; legal after an advice that is not noted yet."""
        session, question = state.world
        if question is None or question.kind != Kind.CARE:
            return Menu((), ())
        kept: Kept = state.kept  # type: ignore[assignment]
        is_new = kept.advice is not None and dict(kept.memory).get(session.rule(question)) != kept.advice
        return Menu((text.NOTE,), (is_new,))

    def run(self, slot: int, state: AgentState) -> str:
        """The rule in words."""
        session, question = state.world
        return text.rule(session, session.rule(question), state.kept.advice)  # type: ignore[attr-defined]
