"""ProductQA as a gymnasium environment: `ProductQAEnv(data=FOLDER)`; the agent's actions around the questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..agent.advisers import Adviser, meant
from ..agent.agent import Agent
from ..agent.inner import whole
from ..agent.internal_actions import AgentState, InternalAction
from ..agent.state import Progress
from ..base import Menu
from . import arguments, text
from .env import FAILED, MOST_QUESTIONS
from .product_qa import read_folder, words_of
from .product_qa_world import MOST_FINDS, NUMBERS, Plan, ProductQuestionsEnv, Question, Session, asked

MOST_ANSWERS, MOST_LOOK_UPS, MOST_NAMES = 256, 24, 8
"""Answers on offer; look-ups that a question offers; products that a search names."""


class View(NamedTuple):
    """What the tools see of the world: the session, and the present question; None after the last."""

    session: Session
    question: Question | None


class Kept(NamedTuple):
    """What the agent keeps: noted (question, answer); the advice of the present question. How often in this session."""

    memory: tuple[tuple[str, str], ...] = ()
    advice: str | None = None
    looked_up: int = 0
    asked: int = 0
    noted: int = 0


def cells(view: View) -> list[tuple[int, int]]:
    """Every (product, column) that can be looked up: of the products that the question is about, no empty entries."""
    if view.question is None:
        return []
    rows = view.session.group.table.rows
    found = [(row, k) for row in view.question.item.products for k, entry in enumerate(rows[row]) if k and entry]
    return found[:MOST_LOOK_UPS]


class LookUp(NamedTuple):
    """`look up the weight of the Vela lamp`: an entry of the table, once each."""

    cost: float
    slots: int = MOST_LOOK_UPS
    name: str = "look up"
    is_external: bool = False

    def menu(self, state: AgentState) -> Menu:
        """A phrase for every entry of the products that the question is about."""
        table, entries = state.world.session.group.table, cells(state.world)
        phrases = tuple(text.look_up(table.columns[k], str(table.rows[row][0])) for row, k in entries)
        return Menu(phrases, tuple(count == 0 for count in state.counts[: len(entries)]))

    def run(self, slot: int, state: AgentState) -> str:
        """What the table says."""
        table, (row, k) = state.world.session.group.table, cells(state.world)[slot]
        return text.found(table.columns[k], str(table.rows[row][0]), str(table.rows[row][k]))


class Find(NamedTuple):
    """`find one whose brand is Vela`: the products with an entry that stands in the words of the question."""

    cost: float
    slots: int = MOST_FINDS
    name: str = "find"
    is_external: bool = False

    def menu(self, state: AgentState) -> Menu:
        """A phrase for every entry of the table that the question names."""
        session, question = state.world
        columns, finds = session.group.table.columns, question.finds if question else ()
        phrases = tuple(text.find(columns[column], entry) for column, entry in finds)
        return Menu(phrases, tuple(count == 0 for count in state.counts[: len(finds)]))

    def run(self, slot: int, state: AgentState) -> str:
        """The first products, in the order of the table, and how many more."""
        session, question = state.world
        table, (column, entry) = session.group.table, question.finds[slot]
        names = [str(row[0]) for row in table.rows if row[column] == entry]
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        return f"The {table.columns[column]} is {entry}: {', '.join(names[:MOST_NAMES])}{more}."


class Ask(NamedTuple):
    """`ask the adviser`, once per question; without an adviser of flesh or code it is the data itself."""

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
            return question.answers[question.right]  # type: ignore[no-any-return]
        return meant(self.adviser(asked(session, question), question.answers), question.answers)


class Note(NamedTuple):
    """`note the answer`: what was advised is kept with its question for the rest of the session."""

    cost: float
    slots: int = 1
    name: str = "note"
    is_external: bool = False

    def menu(self, state: AgentState) -> Menu:
        """One entry; legal after an advice, once."""
        is_new = state.world.question is not None and state.kept.advice is not None  # type: ignore[attr-defined]
        return Menu(("note the answer",), (is_new and state.counts[0] == 0,))

    def run(self, slot: int, state: AgentState) -> str:
        """What is noted."""
        return str(state.kept.advice)  # type: ignore[attr-defined]


class ProductQAEnv(Agent):
    """Questions of ProductQA (AGILE, arXiv 2405.14751): look up, find, ask, note, say, each at its price.

    A session is about one group of products. To each question one of some short answers is said: the right one, and
    others of the same type of question and group. The table answers few of the questions, the adviser all. Of the
    article this leaves out answers in words of one's own, SQL written by the policy, and long answers.

    Reward: 1 for a right answer, less the price of what was done. The scene says what asking costs, how much is noted
    and which note is most like the question (by shared words), how many questions are left, the question, and what was
    found out about it. `info["tally"]` at the end: how often was looked up, asked, noted, how many answers were right.

    Args:
        data: the folder, in the form of `product_qa.py`.
        groups: names of groups to draw from, such as those to train on; None for all.
        questions: of a session, 1 to 1000.
        answers: on offer, 2 to 256; fewer where a group has no more.
        cost, look_up_cost, note_cost: prices of asking, of a look-up or search, and of a note.
        adviser, charge_failures, patience: as of `DeskEnv`; the oracle says the right answer.
        session: the number of the session of every episode, instead of a drawn one.
        render_mode: `rgb_array`, `ansi` or None.

    Raises:
        TypeError, ValueError: an argument of another kind or range, a folder of another form.
    """

    def __init__(
        self,
        data: str | Path,
        groups: Sequence[str] | None = None,
        questions: int = 24,
        answers: int = 4,
        cost: float = 0.3,
        look_up_cost: float = 0.02,
        note_cost: float = 0.02,
        adviser: str | Mapping[str, Any] | Callable[[str, tuple[str, ...]], str] = "oracle",
        charge_failures: bool = True,
        patience: float | None = 60.0,
        session: int | None = None,
        render_mode: str | None = None,
    ):
        if not isinstance(data, (str, Path)) or not str(data):
            raise TypeError(f"data={data!r}, expected the path of a folder, in the form of envs/desk/product_qa.py.")
        if groups is not None and (
            isinstance(groups, str) or not groups or not all(isinstance(g, str) for g in groups)
        ):
            raise TypeError(f"groups={groups!r}, expected a list of names of groups, or none for all.")
        n, n_answers = whole("questions", questions, 1, MOST_QUESTIONS), whole("answers", answers, 2, MOST_ANSWERS)
        number = None if session is None else whole("session", session, 0, NUMBERS - 1)
        whom = arguments.adviser_of(adviser, None if patience is None else arguments.number("patience", patience))
        look_up, ask = arguments.number("look_up_cost", look_up_cost), arguments.number("cost", cost)
        note = arguments.number("note_cost", note_cost)
        world = ProductQuestionsEnv(Plan(read_folder(data, groups), n, n_answers), number, render_mode)
        actions: list[InternalAction] = [LookUp(look_up), Find(look_up), Ask(ask, whom), Note(note)]
        self.charge_failures = bool(charge_failures)
        super().__init__(world, actions, sum(action.slots for action in actions))
        self.questions = world

    def render(self):
        """The window with the scene as the policy reads it, and the last action, below."""
        if not self._seen or self.render_mode is None:
            return self.world.render()
        if self.render_mode == "rgb_array":
            return self._captioned(self._scene())
        last = self._now.last
        line = "A new episode." if last.phrase is None else f"> {last.phrase}   reward {last.reward:+.4g}"
        return f"{self.questions.characters()}\n{self._scene()}\n{line}\n"

    @property
    def kept(self) -> Kept:
        """What the agent keeps beside the notes of the question."""
        return self._now.kept if isinstance(self._now.kept, Kept) else Kept()

    def _learnt(self, which: int, slot: int, note: str) -> tuple[Progress, float]:
        now, kept, action, question = self._now, self.kept, self.actions[which], self.questions.question
        assert question is not None
        if isinstance(action, Note):
            memory = (*kept.memory, (asked(self.questions.session, question), note))
            return now._replace(kept=kept._replace(memory=memory, noted=kept.noted + 1)), action.cost
        if not isinstance(action, Ask):
            return now._replace(notes=(*now.notes, note), kept=kept._replace(looked_up=kept.looked_up + 1)), action.cost
        is_advice = note in question.answers
        kept = kept._replace(asked=kept.asked + 1, advice=note if is_advice else None)
        told = text.advised(note) if is_advice else f"No advice: {note.removeprefix(FAILED)}."
        price = action.cost if is_advice or self.charge_failures else 0.0
        return now._replace(notes=(*now.notes, told), kept=kept), price

    def _turned(self, now: Progress) -> Progress:
        """At the answer the notes of the question are cleared."""
        return now._replace(notes=(), counts=(0,) * len(now.counts), kept=self.kept._replace(advice=None))

    def _scene(self) -> str:
        memory, question = self.kept.memory, self.questions.question
        noted = f"{len(memory)} note{'' if len(memory) == 1 else 's'}." if memory else "No notes."
        if memory and question is not None:
            words = {*words_of(asked(self.questions.session, question))}
            shared = [len(words & {*words_of(it)}) / len(words | {*words_of(it)}) for it, _ in memory]
            best = max(range(len(memory)), key=lambda k: (shared[k], k))
            noted = f"{noted} Noted: {memory[best][0]} {memory[best][1]}."
        price = next(action.cost for action in self.actions if isinstance(action, Ask))
        return " ".join([text.costs(price), noted, self._seen["scene"], *self._now.notes])

    def _state_of(self, which: int) -> AgentState:
        here = View(self.questions.session, self.questions.question)
        return super()._state_of(which)._replace(world=here, kept=self.kept)

    def _shown(self, info: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        observation, info = super()._shown(info)
        if self._now.over:
            kept = self.kept
            tally = {"looked_up": kept.looked_up, "asked": kept.asked, "noted": kept.noted}
            info = {**info, "tally": {**tally, "right": self.questions.right}}
        return observation, info
