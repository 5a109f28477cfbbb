"""Who can be asked: a person at the terminal, any function, an endpoint. What they say is read as an answer on offer.

An adviser is a function of a question and the answers on offer that returns its answer as text, or raises.
"""

from __future__ import annotations

import dataclasses
import importlib
import select
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ..arguments import unknown
from .endpoint import Endpoint
from .menu import one_line
from .tools import within

Adviser = Callable[[str, tuple[str, ...]], str]
"""Question, answers on offer -> answer; by its words, their beginning, or their number from 1."""

SHOWN = 60
"""Characters of a strange answer that an error shows."""


class AdviceError(ValueError):
    """What was said is none of the answers."""


def meant(said: object, answers: tuple[str, ...]) -> str:
    """The answer that was meant: by its words, by their beginning, or by its number from 1; signs around it aside.

    Raises `AdviceError` for anything else.

    >>> meant(" 2 ", ("soap", "warm water")), meant("Warm", ("soap", "warm water"))
    ('warm water', 'warm water')
    """
    if not isinstance(said, str):
        raise AdviceError(f"the adviser returned {type(said).__name__}, expected str")
    words = one_line(said[: 100 * SHOWN]).casefold()
    words = words if words in map(str.casefold, answers) else words.strip(" .,;:!\"'")  # a sentence has its full stop
    if not words:
        raise AdviceError("the adviser said nothing")
    for fits in (str.__eq__, str.startswith):
        found = [answer for answer in answers if fits(answer.casefold(), words)]
        if len(found) == 1:
            return found[0]
    if words.isdecimal() and words.isascii() and 1 <= int(words[:9]) <= len(answers):
        return answers[int(words[:9]) - 1]
    raise AdviceError(f"{one_line(words, SHOWN)!r} is none of {', '.join(answers)}")


@dataclasses.dataclass(frozen=True)
class Person:
    """A person at the terminal.

    patience: seconds until silence is taken as no answer. Where the input is no terminal (or the system cannot wait for
    it) the answer is the next line, however long it takes.
    """

    patience: float | None = 60.0

    def __call__(self, question: str, answers: tuple[str, ...]) -> str:
        """Show the question, read a line. Raises `TimeoutError`, `EOFError`."""
        lines = [f"  {number} {answer}" for number, answer in enumerate(answers, 1)]
        print("\n".join([f"The adviser is asked: {question}", *lines]), end="\nadviser> ", flush=True)
        try:
            return read_line(self.patience)
        finally:
            if sys.stdin is None or not sys.stdin.isatty():
                print()


def read_line(seconds: float | None) -> str:
    """The next line of the standard input. Raises `TimeoutError`, and `EOFError` where there is none any more."""
    stream = sys.stdin
    if stream is None or stream.closed:
        raise EOFError("there is no input")
    if seconds is not None and stream.isatty():
        try:
            ready = bool(select.select([stream], [], [], seconds)[0])
        except (OSError, ValueError):  # a system on which one cannot wait for a terminal
            ready = True
        if not ready:
            raise TimeoutError(f"nothing was said within {seconds:g} s")
    line = stream.readline()
    if not line:
        raise EOFError("the input has ended")
    return line


@dataclasses.dataclass(frozen=True)
class Function:
    """A function as adviser, with a limit of time in seconds; None: no limit."""

    function: Adviser
    patience: float | None = 60.0

    def __call__(self, question: str, answers: tuple[str, ...]) -> str:
        """Call it. Raises what it raises, and `TimeoutError`."""
        return within(self.patience, lambda: self.function(question, answers))


KINDS = ("endpoint", "function")


def made(settings: Mapping[Any, Any], patience: float | None) -> Adviser:
    """The adviser that settings describe; `patience`: seconds that an answer may take, None for no limit.

    `{"kind": "endpoint", "url": ..., "model": ...}` is an `Endpoint`, with any of its other settings.
    `{"kind": "function", "function": "module:factory", ...}` is what the factory makes of the other entries.
    Raises `ValueError`.
    """
    rest = {str(name): value for name, value in settings.items()}
    kind = rest.pop("kind", None)
    if kind not in KINDS:
        raise ValueError(unknown("adviser.kind", kind, KINDS))
    if kind == "endpoint":
        known = [field.name for field in dataclasses.fields(Endpoint) if field.name != "patience"]
        for name in rest.keys() - {*known}:
            raise ValueError(unknown("setting of adviser.kind=endpoint", name, known))
        if missing := [name for name in ("url", "model") if name not in rest]:
            raise ValueError(f"adviser.kind=endpoint needs {' and '.join(missing)}.")
        try:
            return Endpoint(**rest, patience=patience)
        except (TypeError, ValueError) as error:
            raise ValueError(f"adviser.kind=endpoint: {error}") from error
    name = rest.pop("function", None)
    if not isinstance(name, str):
        raise ValueError(f"adviser.kind=function needs function: module:factory, got {name!r}.")
    factory: Callable[..., Any] = named(name)
    try:
        adviser = factory(**rest)
    except Exception as error:  # the factory is the user's
        raise ValueError(f"adviser: {name} made no adviser of {rest}: {type(error).__name__}: {error}") from error
    if not callable(adviser):
        raise ValueError(
            f"adviser: {name} returned {type(adviser).__name__}, expected a function of question and answers."
        )
    return Function(adviser, patience)


def named(name: str) -> Adviser:
    """The function that `module:function` names. Raises `ValueError` where there is none."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"adviser={name!r} cannot be imported: {error}. Expected module:function.") from error
    if not callable(found):
        raise ValueError(f"adviser={name!r} is {type(found).__name__}, expected a function of question and answers.")
    return found  # type: ignore[no-any-return]
