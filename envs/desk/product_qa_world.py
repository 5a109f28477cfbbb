"""Questions about a group of products, each with candidate answers to say. Tools are put around it."""

from __future__ import annotations

import functools
import random
from typing import Any, NamedTuple

import numpy as np
from gymnasium.spaces import Dict

from .. import window
from ..agent.menu import one_line
from ..base import Menu, MenuEnv, Outcome
from ..draws import pick, shuffled
from ..window import Row
from ..wrappers.third_party import AnyText
from . import text
from .product_qa import KINDS, LONGEST_ANSWER, LONGEST_NAME, LONGEST_QUESTION, Group, Item, words_of

LONGEST_SCENE = 4 * LONGEST_QUESTION + 2 * LONGEST_ANSWER + 3 * LONGEST_NAME
"""Characters of a scene: two questions, each with its products, and an answer."""
NUMBERS = 2**31
"""Sessions that `reset` draws from."""
MOST_FINDS, MOST_WORDS = 4, 6
"""Searches that a question offers, and words of an entry that is looked for in it."""
SHOWN = 72
"""Characters of a line of the window."""


class Question(NamedTuple):
    """An item with the answers on offer, and which is right; `finds`: (column, entry) that a search may ask for."""

    item: Item
    answers: tuple[str, ...]
    right: int
    finds: tuple[tuple[int, str], ...]


class Session(NamedTuple):
    """A group and its questions in order."""

    group: Group
    questions: tuple[Question, ...]


class Plan(NamedTuple):
    """What sessions are drawn from: the groups, questions of a session, answers on offer."""

    groups: tuple[Group, ...]
    n: int
    n_answers: int


@functools.lru_cache(maxsize=64)
def session(plan: Plan, number: int) -> Session:
    """The session of a number: no question comes twice before all have come once."""
    rng = random.Random(f"product qa {number}")
    group = pick(rng, plan.groups)
    items: list[Item] = []
    while len(items) < plan.n:
        items += shuffled(rng, group.askable)[: plan.n - len(items)]
    return Session(group, tuple(_question(rng, group, item, plan.n_answers) for item in items))


def _question(rng: random.Random, group: Group, item: Item, n_answers: int) -> Question:
    wrong = [it for it in group.answers[item.kind] if it.casefold() != item.answer.casefold()]
    answers = shuffled(rng, [item.answer, *shuffled(rng, wrong)[: n_answers - 1]])
    words = words_of(item.question) if item.kind == "recommendation" else []
    runs = (" ".join(words[k:end]) for k in range(len(words)) for end in range(k + 1, k + 1 + MOST_WORDS))
    finds = dict.fromkeys(entry for run in runs for entry in group.entries.get(run, ()))
    return Question(item, tuple(answers), answers.index(item.answer), tuple(finds)[:MOST_FINDS])


def asked(session: Session, question: Question) -> str:
    """The question as the policy and the adviser read it, with the products that it is about."""
    about = ", ".join(str(session.group.table.rows[row][0]) for row in question.item.products)
    return f"About {one_line(about, LONGEST_QUESTION)}: {question.item.question}" if about else question.item.question


class State(NamedTuple):
    """The number of the session, the question from 0 on, and how many were answered rightly."""

    number: int
    question: int = 0
    right: int = 0


class ProductQuestionsEnv(MenuEnv[State]):
    """Questions, one after another, to each of which one of the answers is said: reward 1 if it is right, else 0.

    The episode ends after the last question, with success if all were right. The vector holds the questions left and
    the kind of the question as bits: a policy that reads numbers alone cannot know more.
    """

    gamma = 1.0

    def __init__(self, plan: Plan, number: int | None = None, render_mode: str | None = None):
        self.plan, self.number, self.max_steps = plan, number, plan.n
        self.kinds = tuple(dict.fromkeys(KINDS.values()))
        super().__init__(plan.n_answers, np.array([plan.n, *(1.0 for _ in self.kinds)]), render_mode)
        assert isinstance(self.observation_space, Dict)
        self.observation_space = Dict({**self.observation_space.spaces, "scene": AnyText(LONGEST_SCENE)})

    @property
    def session(self) -> Session:
        """The present session, with all answers. Raises `ResetNeeded` before `reset`."""
        return session(self.plan, self._current("session").number)

    @property
    def question(self) -> Question | None:
        """The present question; None after the last. Raises `ResetNeeded` before `reset`."""
        return self._question(self._current("question"))

    @property
    def right(self) -> int:
        """How many questions were answered rightly. Raises `ResetNeeded` before `reset`."""
        return self._current("right").right

    def characters(self) -> str:
        """The window in characters. Raises `ResetNeeded` before `reset`."""
        return self._ansi(self._current("characters()"))

    def _question(self, state: State) -> Question | None:
        return None if state.question == self.plan.n else session(self.plan, state.number).questions[state.question]

    def _start(self) -> State:
        return State(int(self.np_random.integers(NUMBERS)) if self.number is None else self.number)

    def _transition(self, state: State, action: int) -> Outcome[State]:
        question = self._question(state)
        assert question is not None
        is_right = action == question.right
        after = State(state.number, state.question + 1, state.right + is_right)
        is_over, is_won = after.question == self.plan.n, after.right == self.plan.n
        return Outcome(after, (float(is_right),), is_won, is_over and not is_won)

    def _scene(self, state: State) -> str:
        question = self._question(state)
        if question is None:
            return f"All {self.plan.n} questions are answered, {state.right} of them rightly."
        left = text.questions_left(self.plan.n - state.question)
        return f"{left} {asked(session(self.plan, state.number), question)}"

    def _goal(self, state: State) -> str:
        return text.GOAL

    def _menu(self, state: State) -> Menu:
        question = self._question(state)
        phrases = ("stop",) if question is None else tuple(map(text.say, question.answers))
        unused = tuple(f"(unused {k})" for k in range(len(phrases), self.plan.n_answers))
        return Menu(phrases + unused, (*(True for _ in phrases), *(False for _ in unused)))

    def _vector(self, state: State) -> np.ndarray:
        question = self._question(state)
        bits = [float(question is not None and question.item.kind == kind) for kind in self.kinds]
        return np.array([self.plan.n - state.question, *bits], np.float32)

    def _page(self, state: State) -> tuple[str, list[Row]]:
        group, question = session(self.plan, state.number).group, self._question(state)
        title = f"{one_line(group.name, LONGEST_NAME)}: {text.questions_left(self.plan.n - state.question)[:-1]}"
        if question is None:
            return title, [Row("All questions are answered.", is_task=True)]
        products = [Row("", one_line(str(group.table.rows[row][0]), SHOWN)) for row in question.item.products[:2]]
        answers = [Row(one_line(answer, SHOWN)) for answer in question.answers[:5]]
        return title, [Row(one_line(question.item.question, SHOWN), is_task=True), *products, *answers]

    def _ansi(self, state: State) -> str:
        return window.characters(*self._page(state))

    def _picture(self, state: State) -> Any:
        return window.picture(*self._page(state))
