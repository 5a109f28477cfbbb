"""A player who does everything right but perhaps the asking: the best play, and demonstrations to learn from.

It goes by what the scene shows: the question, what was found, advised and noted, the price, the questions left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..base import Menu
from . import optimum, text
from .optimum import Rules
from .questions import Kind, Question, Session

if TYPE_CHECKING:
    from .desk import QuestionsEnv
    from .tools import Kept

DEMONSTRATIONS = {"random": None, "best": None, "always": True, "never": False}
"""Whether what is demonstrated asks where nothing else tells the answer."""


class Seen(Protocol):
    """What the player reads of the desk, all of which the scene shows."""

    desk: QuestionsEnv
    rules: Rules

    @property
    def menu(self) -> Menu: ...

    @property
    def session(self) -> Session: ...

    @property
    def kept(self) -> Kept: ...

    @property
    def remembered(self) -> str | None: ...

    @property
    def left_by_the_table(self) -> list[bool]: ...


def odds(env: Seen) -> int | dict[int, float]:
    """The action to take, everything right; where nothing tells the answer, half of the odds are to ask.

    The other half is of the answers, all alike: certainty, once cloned, is not unlearnt.
    """
    asking = action(env, asks=True)
    if asking == action(env, asks=False):
        return asking
    answers = [k for k, is_left in enumerate(env.left_by_the_table) if is_left]
    return {asking: 0.5, **{k: 0.5 / len(answers) for k in answers}}


def action(env: Seen, *, asks: bool | None = None) -> int:
    """The index of the action to take in the present state.

    asks: whether to ask where the answer to a care question is not known; None: as the best play at this price does.
    Advice is noted where that pays for the best play.
    """
    question = env.desk.question
    assert question is not None, "the session is over"
    legal = {phrase: k for k, (phrase, is_legal) in enumerate(zip(*env.menu, strict=True)) if is_legal}
    best = optimum.choice(env.rules, env.desk.plan.n, env.session.cost, env.desk.left, len(env.kept.memory))
    known = env.remembered if env.kept.advice is None else env.kept.advice
    if question.kind == Kind.CARE:
        if env.kept.advice is not None and best.note and text.NOTE in legal:
            return legal[text.NOTE]
        wants = [text.ASK] if known is None and (best.ask if asks is None else asks) else []
    else:
        wants = _wanted(env, question, asks) if known is None else []
    for phrase in wants:
        if phrase in legal:
            return legal[phrase]
    if known in question.answers:
        return question.answers.index(known)
    return env.left_by_the_table.index(True)


def _wanted(env: Seen, question: Question, asks: bool | None) -> list[str]:
    """What to do before the answer to a question that the table holds, in order."""
    if asks is None or env.rules.table:
        asks = optimum.asks_instead(env.rules, question.kind, env.session.cost)
    if asks:
        return [text.ASK]
    attribute, names = env.session.group.attributes[question.attribute], env.session.group.names
    if question.kind == Kind.RECOMMENDATION:
        phrases = [text.find(attribute, text.wanted(env.session, question))]
    else:
        phrases = [text.look_up(attribute, names[product]) for product in question.products]
    return phrases[: optimum.look_ups(env.rules, question.kind)]
