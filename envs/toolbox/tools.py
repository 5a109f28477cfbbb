"""What can be done beside answering: search, calculate, give a calculation up, run Python.

A calculation whose parts are known is done at once. Otherwise it opens a frame, inside which one can search for what is
missing, and calculate it where what was found is an expression again; when nothing is missing any more the frame
returns its result. That is so for every frame, up to `MOST_DEPTH` of them.
"""

from __future__ import annotations

from typing import NamedTuple

from ..agent import calculator, frames
from ..agent.calculator import CalculatorError
from ..agent.frames import EMPTY, Stack
from ..agent.internal_actions import AgentState
from ..agent.python_tool import PythonLimits, run_python
from ..base import Menu
from . import text
from .documents import PLUS, search
from .questions import Kind, Question

MOST_DEPTH = 3
"""Frames that can be open at a time."""
TOPICS = 2
"""Things to search for that a question, or a calculation, names at most."""
NONE = (0,) * len(Kind)


class View(NamedTuple):
    """What the tools see of the world: whose words, and the present question; None after the last."""

    split: str
    question: Question | None


class Task(NamedTuple):
    """A calculation, and what its result is the value of."""

    name: str
    expression: str


class Found(NamedTuple):
    """What a tool said, and the value in it; None where there is none."""

    words: str
    value: str | None


class Kept(NamedTuple):
    """What the agent keeps of a question: its frames, the first of which is the question itself, and what was done.

    taken: the phrases of the tools that were used at this question, in order; each can be used once.
    searched, calculated, ran: how often in this session each was done, by the kind of question [Kind].
    """

    stack: Stack = EMPTY
    taken: tuple[str, ...] = ()
    searched: tuple[int, ...] = NONE
    calculated: tuple[int, ...] = NONE
    ran: tuple[int, ...] = NONE


def value_of(stack: Stack, name: str) -> str | None:
    """The value of what was found under a name; None where nothing was."""
    found = frames.known(stack).get(name)
    return found.value if isinstance(found, Found) else None


def parts(expression: str) -> list[str]:
    """The parts of a sum that are no numbers."""
    return [part for part in expression.split(PLUS) if not part.isdecimal()]


def missing(stack: Stack, expression: str) -> list[str]:
    """The parts of a sum of which no number is known."""
    return [part for part in parts(expression) if not (value_of(stack, part) or "").isdecimal()]


def filled(stack: Stack, expression: str) -> str:
    """A sum with the numbers in the place of its parts."""
    return PLUS.join(part if part.isdecimal() else value_of(stack, part) or part for part in expression.split(PLUS))


def task_of(stack: Stack) -> Task | None:
    """The calculation that is worked on; None outside of all frames."""
    task = stack.top.task
    return task if isinstance(task, Task) else None


def topics(view: View, stack: Stack) -> tuple[str, ...]:
    """What can be searched for: what the question names, or inside a frame the calculation."""
    task = task_of(stack)
    if task is not None:
        return tuple(parts(task.expression))
    return () if view.question is None else view.question.topics


def tasks(view: View, stack: Stack) -> tuple[Task, ...]:
    """What can be calculated: the expression of the question, or inside a frame of what is missing."""
    task = task_of(stack)
    if task is not None:
        told = ((part, value_of(stack, part)) for part in missing(stack, task.expression))
        return tuple(Task(part, value) for part, value in told if value is not None)
    if view.question is None or not view.question.expression:
        return ()
    return (Task(view.question.expression, view.question.expression),)


def looked_for(view: View, stack: Stack, topic: str) -> Stack:
    """The stack with what a search has found; a frame in which nothing is missing any more returns."""
    assert view.question is not None
    found = search(view.split, view.question, topic)
    if found is None:
        return frames.noted(stack, topic, Found(text.found_nothing(topic), None))
    return settled(frames.noted(stack, found.topic, Found(found.words, found.value)))


def begun(stack: Stack, task: Task) -> Stack:
    """The stack with a calculation begun, and done where nothing is missing."""
    return settled(frames.opened(stack, task, MOST_DEPTH))


def settled(stack: Stack) -> Stack:
    """The stack after every frame has returned, from the top down, in which nothing is missing."""
    while (task := task_of(stack)) is not None and not missing(stack, task.expression):
        try:
            value = calculator.shown(calculator.calculate(filled(stack, task.expression)))
            found = Found(text.computed(task.expression, value), value)
        except CalculatorError as error:
            found = Found(text.failed(text.calculate(task.expression), str(error)), None)
        stack = frames.returned(stack, stack.top.number, task.name, found)
    return stack


def given_up(stack: Stack) -> Stack:
    """The stack without the frame on top, which returns that there is no result."""
    task = task_of(stack)
    assert task is not None
    # A result under the name of the part would hide what was found of it before.
    name = f"{task.expression} given up"
    return frames.returned(stack, stack.top.number, name, Found(text.without_result(task.expression), None))


class Search(NamedTuple):
    """`search: price of the lamp`, once per question: what the document says that fits best."""

    cost: float
    slots: int = TOPICS
    name: str = "search"
    is_external: bool = False

    def menu(self, state: AgentState) -> Menu:
        """An entry for everything that question or calculation name."""
        view, kept = seen(state)
        phrases = tuple(map(text.search, topics(view, kept.stack)))
        return Menu(phrases, tuple(phrase not in kept.taken for phrase in phrases))

    def run(self, slot: int, state: AgentState) -> str:
        """The sentence that was found, or that nothing was."""
        view, kept = seen(state)
        topic = topics(view, kept.stack)[slot]
        assert view.question is not None
        found = search(view.split, view.question, topic)
        return text.found_nothing(topic) if found is None else found.words


class Calculate(NamedTuple):
    """`calculate: 347 + 268`, once per question: done at once, or begun as a frame."""

    cost: float
    slots: int = 1
    name: str = "calculate"
    is_external: bool = False

    def menu(self, state: AgentState) -> Menu:
        """An entry for what can be calculated, as long as not too many frames are open."""
        view, kept = seen(state)
        phrases = tuple(text.calculate(task.expression) for task in tasks(view, kept.stack))
        is_open = frames.depth(kept.stack) < MOST_DEPTH
        return Menu(phrases, tuple(is_open and phrase not in kept.taken for phrase in phrases))

    def run(self, slot: int, state: AgentState) -> str:
        """What is to be calculated, and what is missing."""
        view, kept = seen(state)
        expression = tasks(view, kept.stack)[slot].expression
        return text.to_calculate(expression, missing(kept.stack, expression))


class GiveUp(NamedTuple):
    """`give up`: the calculation that is worked on ends without a result, and is not begun again."""

    cost: float = 0.0
    slots: int = 1
    name: str = "give up"
    is_external: bool = False

    def menu(self, state: AgentState) -> Menu:
        """One entry, inside a frame."""
        return Menu((text.GIVE_UP,), (task_of(seen(state)[1].stack) is not None,))

    def run(self, slot: int, state: AgentState) -> str:
        """What was given up."""
        task = task_of(seen(state)[1].stack)
        assert task is not None
        return text.without_result(task.expression)


class Python(NamedTuple):
    """`python: print(347 + 268)`: the question's expression, where nothing is missing, in a process of its own."""

    cost: float
    limits: PythonLimits = PythonLimits()
    slots: int = 1
    name: str = "python"
    is_external: bool = True

    def menu(self, state: AgentState) -> Menu:
        """One entry, outside of all frames."""
        phrases = tuple(map(text.python, codes(*seen(state))))
        return Menu(phrases, tuple(phrase not in seen(state)[1].taken for phrase in phrases))

    def run(self, slot: int, state: AgentState) -> str:
        """What was printed. Raises `PythonError`."""
        return run_python(codes(*seen(state))[slot], self.limits)


def codes(view: View, kept: Kept) -> tuple[str, ...]:
    """The code that can be run."""
    question, stack = view.question, kept.stack
    if question is None or not question.expression or frames.depth(stack) or missing(stack, question.expression):
        return ()
    return (f"print({filled(stack, question.expression)})",)


def seen(state: AgentState) -> tuple[View, Kept]:
    """The world, and what is kept, as a tool sees them."""
    assert isinstance(state.world, View)
    return state.world, state.kept if isinstance(state.kept, Kept) else Kept()
