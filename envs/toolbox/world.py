"""The toolbox without tools: a session of questions, each with four answers to say. Tools are put around it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..base import Menu, MenuEnv, Outcome
from . import text
from .questions import N_ANSWERS, Kind, Plan, Question, asked, session
from .words import HABITS, PEOPLE, PLACES, RUMOURS

NUMBERS = 2**31
"""Sessions that `reset` draws from."""
FIXED = {Kind.HABIT: PLACES, Kind.RUMOUR: PEOPLE}
"""The answers that never change, by the kind of question."""


class State(NamedTuple):
    """The number of the session, the question from 0 on, and how many of each kind were answered rightly."""

    number: int
    question: int = 0
    right: tuple[int, ...] = (0,) * len(Kind)


class QuestionsEnv(MenuEnv[State]):
    """Questions, one after another, to each of which one of four answers is said: reward 1 if it is right, else 0.

    Whether it was right is not shown. The episode ends after the last question, with success if all were right.

    The vector holds the questions left, the level of prices, and the question as bits: its kind, the habit or rumour
    that it asks for, and of these for every answer which it is of those that there are.

    Args:
        plan: what sessions are drawn from.
        number: of the session of every episode, instead of a drawn one.
        render_mode: `rgb_array`, `ansi` or None.
    """

    gamma = 1.0

    def __init__(self, plan: Plan, number: int | None = None, render_mode: str | None = None):
        self.plan, self.number, self.max_steps = plan, number, plan.n
        n_bits = len(Kind) + len(HABITS) + len(RUMOURS) + N_ANSWERS * len(PLACES)
        super().__init__(N_ANSWERS, np.array([plan.n, max(plan.levels), *(1.0,) * n_bits]), render_mode)

    @property
    def level(self) -> float:
        """The level of prices of the present session. Raises `ResetNeeded` before `reset`."""
        return session(self.plan, self._current("level").number).level

    @property
    def question(self) -> Question | None:
        """The present question; None after the last. Raises `ResetNeeded` before `reset`."""
        return self._question(self._current("question"))

    @property
    def asked(self) -> tuple[Question, ...]:
        """The questions that are answered. Raises `ResetNeeded` before `reset`."""
        state = self._current("asked")
        return session(self.plan, state.number).questions[: state.question]

    @property
    def right(self) -> tuple[int, ...]:
        """How many of each kind were answered rightly [Kind]. Raises `ResetNeeded` before `reset`."""
        return self._current("right").right

    def _question(self, state: State) -> Question | None:
        return None if state.question == self.plan.n else session(self.plan, state.number).questions[state.question]

    def _start(self) -> State:
        return State(int(self.np_random.integers(NUMBERS)) if self.number is None else self.number)

    def _transition(self, state: State, action: int) -> Outcome[State]:
        question = self._question(state)
        assert question is not None
        is_right = action == question.right
        right = tuple(n + (is_right and kind == question.kind) for kind, n in enumerate(state.right))
        after = State(state.number, state.question + 1, right)
        is_over = after.question == self.plan.n
        is_won = is_over and sum(right) == self.plan.n
        return Outcome(after, (float(is_right),), is_won, is_over and not is_won)

    def _scene(self, state: State) -> str:
        question = self._question(state)
        if question is None:
            return f"All {self.plan.n} questions are answered, {sum(state.right)} of them rightly."
        return f"{text.questions_left(self.plan.n - state.question)} {asked(question)}"

    def _goal(self, state: State) -> str:
        return text.GOAL

    def _menu(self, state: State) -> Menu:
        question = self._question(state)
        if question is None:
            return Menu(("stop", *(f"(unused {k})" for k in range(1, N_ANSWERS))), (True, *(False,) * (N_ANSWERS - 1)))
        return Menu(tuple(map(text.say, question.answers)), (True,) * N_ANSWERS)

    def _vector(self, state: State) -> np.ndarray:
        question, level = self._question(state), session(self.plan, state.number).level
        kind = subject = -1
        answers: tuple[int, ...] = (-1,) * N_ANSWERS
        if question is not None:
            kind, subject, known = question.kind, question.subject, FIXED.get(question.kind, ())
            answers = tuple(known.index(it) for it in question.answers) if known else answers
        bits = [*_bits(len(Kind), kind), *_bits(len(HABITS), subject if kind == Kind.HABIT else -1)]
        bits += _bits(len(RUMOURS), subject if kind == Kind.RUMOUR else -1)
        bits += [bit for which in answers for bit in _bits(len(PLACES), which)]
        return np.array([self.plan.n - state.question, level, *bits], np.float32)

    def _ansi(self, state: State) -> str:
        from . import drawing

        return drawing.characters(self._question(state), self.plan.n - state.question)

    def _picture(self, state: State) -> Any:
        from . import drawing

        return drawing.picture(self._question(state), self.plan.n - state.question)


def _bits(n: int, which: int) -> list[float]:
    return [float(k == which) for k in range(n)]
