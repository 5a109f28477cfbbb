"""A player who knows habits and rumours and does everything right, or now and then decides wrongly about tools.

It goes by what the scene shows, and by what never changes. It adds nothing in the head.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Protocol

from ..base import Menu
from . import optimum, text
from .optimum import Rules
from .questions import Kind, Question, asked
from .tools import Found, Kept, Task, View, missing, task_of, tasks, topics, value_of
from .words import HABITS, RUMOURS

if TYPE_CHECKING:
    from .world import QuestionsEnv

DEMONSTRATIONS = ("clean", "noisy", "mistaken", "always")
KNOWN = {Kind.HABIT: tuple(HABITS.values()), Kind.RUMOUR: tuple(RUMOURS.values())}
"""What is known, by the kind and the subject of a question."""


class Seen(Protocol):
    """What the player reads of the toolbox, all of which the scene shows."""

    world_inside: QuestionsEnv
    rules: Rules

    @property
    def menu(self) -> Menu: ...

    @property
    def view(self) -> View: ...

    @property
    def kept(self) -> Kept: ...


def errs(demonstrates: str, noise: float, seed: int, left: int, question: Question, *, pays: bool = True) -> bool:
    """Whether an annotator takes the wrong decision about tools at a question, in a share `noise` of all.

    `always`: wherever tools do not pay, so that all are used; `pays`: whether they do.

    `noisy`: by chance, at every question anew; `mistaken`: whoever is asked the same question errs again. The first
    averages out if one learns from many; the second is what annotation teaches.
    """
    if demonstrates in ("clean", "always"):
        return demonstrates == "always" and not pays
    key = f"noisy {seed} {left}" if demonstrates == "noisy" else f"mistaken {asked(question)}"
    return random.Random(f"toolbox {key}").random() < noise


def action(env: Seen, *, is_wrong: bool = False) -> int:
    """The index of the action to take in the present state: that of the best play.

    is_wrong: the decision about tools is the opposite of that. Where they do not pay, they are used and believed; where
    they do, the first answer is said.
    """
    question, kept = env.view.question, env.kept
    assert question is not None, "the session is over"
    legal = {phrase: k for k, (phrase, is_legal) in enumerate(zip(*env.menu, strict=True)) if is_legal}
    uses = _uses(env, question, is_wrong)
    for phrase in _next(env.view, kept) if uses else ():
        if phrase in legal:
            return legal[phrase]
    if text.GIVE_UP in legal:
        return legal[text.GIVE_UP]
    names = [question.expression, *question.topics]
    found = [value for name in names if (value := value_of(kept.stack, name)) in question.answers]
    if question.kind in KNOWN and not (is_wrong and found):
        found = [KNOWN[question.kind][question.subject]]
    return question.answers.index(found[0]) if found else 0


def _uses(env: Seen, question: Question, is_wrong: bool) -> bool:
    """Whether tools are used from here on."""
    level = env.world_inside.level
    if is_wrong:
        return not optimum.best_plan(env.rules, question.kind, level).calls
    if question.kind in KNOWN:
        return False
    left = still_needed(env.view, env.kept)
    return left is not None and left != (0, 0) and optimum.pays(env.rules, level, *left, len(env.kept.taken))


def _next(view: View, kept: Kept) -> list[str]:
    """The phrases of the tools by which the answer comes nearer, the next one first."""
    is_open = task_of(kept.stack) is not None
    return [
        *(text.calculate(task.expression) for task in tasks(view, kept.stack)),
        *(text.search(topic) for topic in topics(view, kept.stack) if is_open or not view.question.expression),  # type: ignore[union-attr]
    ]


def worth(view: View, kept: Kept) -> float:
    """How often the answer is right of one who believes what was found, else says what is known, else guesses."""
    question = view.question
    assert question is not None, "the session is over"
    results = (found for frame in kept.stack.frames for _, found in frame.results)
    said = [found.value for found in results if isinstance(found, Found) and found.value in question.answers]
    if said:
        return float(said[-1] == question.answers[question.right])
    return 1.0 if question.kind in KNOWN else optimum.GUESS


def still_needed(view: View, kept: Kept) -> tuple[int, int] | None:
    """Searches and calculations until the answer is known; None where it cannot be known any more."""
    question = view.question
    assert question is not None
    if not question.expression:
        return _to_find(kept, question, question.topics[0])
    return _to_calculate(kept, question, Task(question.expression, question.expression))


def _to_find(kept: Kept, question: Question, topic: str) -> tuple[int, int] | None:
    value = value_of(kept.stack, topic)
    if value is None and text.search(topic) in kept.taken:
        return None
    searches = int(value is None)
    value = dict(question.facts)[topic] if value is None else value
    if not question.expression or value.isdecimal():
        return searches, 0
    inside = _to_calculate(kept, question, Task(topic, value))
    return None if inside is None else (searches + inside[0], inside[1])


def _to_calculate(kept: Kept, question: Question, task: Task) -> tuple[int, int] | None:
    if (value_of(kept.stack, task.name) or "").isdecimal():
        return 0, 0
    is_begun = any(frame.task == task for frame in kept.stack.frames)
    if not is_begun and text.calculate(task.expression) in kept.taken:
        return None
    searches, calculations = 0, int(not is_begun)
    for part in missing(kept.stack, task.expression):
        inside = _to_find(kept, question, part)
        if inside is None:
            return None
        searches, calculations = searches + inside[0], calculations + inside[1]
    return searches, calculations
