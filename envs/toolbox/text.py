"""The toolbox in words: questions, scenes, documents and phrases. Knows no rules and no words of a split."""

from __future__ import annotations

from collections.abc import Sequence

GOAL = "Answer the questions."
PRICE = "price"
GIVE_UP = "give up"


def keep(thing: str) -> str:
    """What is searched for about a habit."""
    return f"keep the {thing}"


def of(attribute: str, thing: str) -> str:
    """What is searched for about a thing."""
    return f"{attribute} of the {thing}"


def plus(one: str, other: str) -> str:
    """An expression."""
    return f"{one} + {other}"


def asks_habit(thing: str) -> str:
    """The question for a habit."""
    return f"Where do we keep the {thing}?"


def asks_fresh(attribute: str, thing: str) -> str:
    """The question for a fact."""
    return f"What is the {attribute} of the {thing}?"


def asks_sum(one: str, other: str) -> str:
    """The question for a sum."""
    return f"What is {one} + {other}?"


def asks_nested(one: str, other: str) -> str:
    """The question for a sum of prices."""
    return f"What do the {one} and the {other} cost together?"


def asks_rumour(deed: str) -> str:
    """The question for a rumour."""
    return f"Who {deed}?"


def says_habit(thing: str, place: str) -> str:
    """A document about a habit."""
    return f"We keep the {thing} in the {place}."


def says_fresh(topic: str, value: str) -> str:
    """A document about a thing."""
    return f"The {topic} is {value}."


def says_price(thing: str, more: int, other: str) -> str:
    """A document about a price that is told by another; it names its own thing twice, so that it is found by that."""
    return f"The {of(PRICE, thing)}: the {thing} costs {more} more than the {other}."


def says_rumour(deed: str, who: str) -> str:
    """A document about a rumour."""
    return f"They say that {who} {deed}."


def found_nothing(topic: str) -> str:
    """What a search has found that has found nothing."""
    return f"Nothing was found about {topic}."


def computed(expression: str, value: str) -> str:
    """What was calculated."""
    return f"{expression} = {value}."


def printed(value: str) -> str:
    """What Python has printed."""
    return f"Python prints {value}."


FAILED = " failed: "


def failed(what: str, reason: str) -> str:
    """What a tool says that has failed."""
    return f"{what}{FAILED}{reason.rstrip('.')}."


def without_result(expression: str) -> str:
    """What stands in the frame below when a calculation is given up."""
    return f"{expression}: given up."


def to_calculate(expression: str, missing: Sequence[str]) -> str:
    """What is worked on inside a frame.

    >>> to_calculate("price of the lamp + 12", ["price of the lamp"])
    'To calculate: price of the lamp + 12. Missing: price of the lamp.'
    """
    return f"To calculate: {expression}. Missing: {', '.join(missing) or 'nothing'}."


def questions_left(n: int) -> str:
    """How many questions there are still to answer, the present one among them."""
    return f"{n} question{'' if n == 1 else 's'} left."


def prices(search: float, calculation: float) -> str:
    """What the tools cost."""
    return f"Searching costs {search:g}, calculating {calculation:g}."


def shares(one: float, two: float) -> str:
    """What an answer is worth after one and after two tools, where these take a share of it."""
    return f"An answer is worth {one:.2f} after a tool, {two:.2f} after two."


def search(topic: str) -> str:
    """The phrase of a search."""
    return f"search: {topic}"


def calculate(expression: str) -> str:
    """The phrase of a calculation."""
    return f"calculate: {expression}"


def python(code: str) -> str:
    """The phrase of a piece of Python."""
    return f"python: {code}"


def say(answer: str) -> str:
    """The phrase of an answer."""
    return f"say {answer}"
