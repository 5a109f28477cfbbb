"""The desk without tools: a session of questions, each with four answers to say. Tools are put around it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from gymnasium.spaces import Dict

from ..base import Menu, MenuEnv, Outcome
from ..wrappers.third_party import AnyText
from . import text
from .groups import N_ANSWERS, N_PRODUCTS
from .questions import N_TOPICS, Kind, Plan, Question, Session, session

LONGEST_SCENE = 1_000
NUMBERS = 2**31
"""Sessions that `reset` draws from."""


class State(NamedTuple):
    """The number of the session, the question from 0 on, and how many were answered rightly."""

    number: int
    question: int = 0
    right: int = 0


class QuestionsEnv(MenuEnv[State]):
    """Questions, one after another, to each of which one of four answers is said: reward 1 if it is right, else 0.

    Whether it was right is not shown. The episode ends after the last question, with success if all were right. Without
    tools every answer is a guess.

    The vector holds the questions left, the price of asking, and the question: its kind, topic, products (of a
    recommendation none) and attribute, each as bits; for a care question the material of the product too.

    Args:
        plan: what sessions are drawn from.
        number: of the session of every episode, instead of a drawn one.
        render_mode: `rgb_array`, `ansi` or None.
    """

    gamma = 1.0

    def __init__(self, plan: Plan, number: int | None = None, render_mode: str | None = None):
        self.plan, self.number, self.max_steps = plan, number, plan.n
        sample = session(plan, number or 0)
        self.n_attributes = len(sample.group.attributes)
        sizes = (len(Kind), N_TOPICS, N_PRODUCTS, self.n_attributes, len(sample.group.materials))
        super().__init__(N_ANSWERS, np.array([plan.n, max(plan.costs), *(1.0,) * sum(sizes)]), render_mode)
        # The words of a user's table may be of any alphabet.
        assert isinstance(self.observation_space, Dict)
        self.observation_space = Dict({**self.observation_space.spaces, "scene": AnyText(LONGEST_SCENE)})

    @property
    def session(self) -> Session:
        """The present session. Raises `ResetNeeded` before `reset`."""
        return session(self.plan, self._current("session").number)

    @property
    def question(self) -> Question | None:
        """The present question; None after the last. Raises `ResetNeeded` before `reset`."""
        return self._question(self._current("question"))

    @property
    def left(self) -> int:
        """Questions still to answer, the present one among them. Raises `ResetNeeded` before `reset`."""
        return self.plan.n - self._current("left").question

    @property
    def right(self) -> int:
        """How many questions were answered rightly. Raises `ResetNeeded` before `reset`."""
        return self._current("right").right

    def _question(self, state: State) -> Question | None:
        return None if state.question == self.plan.n else session(self.plan, state.number).questions[state.question]

    def _start(self) -> State:
        return State(int(self.np_random.integers(NUMBERS)) if self.number is None else self.number)

    def _transition(self, state: State, action: int) -> Outcome[State]:
        question = self._question(state)
        assert question is not None
        is_right = action == question.right
        after = State(state.number, state.question + 1, state.right + is_right)
        is_over = after.question == self.plan.n
        is_won = is_over and after.right == self.plan.n
        return Outcome(after, (float(is_right),), is_won, is_over and not is_won)

    def _scene(self, state: State) -> str:
        question = self._question(state)
        if question is None:
            return f"All {self.plan.n} questions are answered, {state.right} of them rightly."
        asked = text.asked(session(self.plan, state.number), question)
        return f"{text.questions_left(self.plan.n - state.question)} {asked}"

    def _goal(self, state: State) -> str:
        return text.GOAL

    def _menu(self, state: State) -> Menu:
        question = self._question(state)
        if question is None:
            return Menu(("stop", *(f"(unused {k})" for k in range(1, N_ANSWERS))), (True, *(False,) * (N_ANSWERS - 1)))
        return Menu(tuple(map(text.say, question.answers)), (True,) * N_ANSWERS)

    def _vector(self, state: State) -> np.ndarray:
        here = session(self.plan, state.number)
        question, n = self._question(state), self.plan.n - state.question
        kind = topic = attribute = material = -1
        products: tuple[int, ...] = ()
        if question is not None:
            kind, topic, attribute = question.kind, question.topic, question.attribute
            products = () if kind == Kind.RECOMMENDATION else question.products
            material = here.group.material_of[products[0]] if kind == Kind.CARE else -1
        bits = [*_bits(len(Kind), kind), *_bits(N_TOPICS, topic), *_bits(N_PRODUCTS, *products)]
        bits += [*_bits(self.n_attributes, attribute), *_bits(len(here.group.materials), material)]
        return np.array([n, here.cost, *bits], np.float32)

    def _ansi(self, state: State) -> str:
        from . import drawing

        return drawing.characters(*self._window(state), {})

    def _picture(self, state: State) -> Any:
        from . import drawing

        return drawing.picture(*self._window(state), {})

    def _window(self, state: State) -> tuple[Session, Question | None, int]:
        return session(self.plan, state.number), self._question(state), self.plan.n - state.question


def _bits(n: int, *which: int) -> list[float]:
    return [float(k in which) for k in range(n)]
