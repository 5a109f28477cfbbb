"""What is printed for a person: text of others shown and not obeyed, and an output that may go away at any time."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import IO, Any

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment

UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but for tab and line end, letters that turn the direction of a line, halves of surrogates."""


def printable(text: str) -> str:
    r"""A text of others with what a terminal would obey written out.

    >>> printable("a\x1b]0;title\x07\tb")
    'a\\x1b]0;title\\x07\tb'
    """
    return UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def say(text: str) -> None:
    """A line on stderr, for a person; lost where there is nobody to read it."""
    print(printable(text), file=Outlet(sys.stderr), flush=True)


class Outlet:
    """A text stream that goes on when its reader has gone, its disk is full or its terminal is closed.

    What is printed then is lost, and nothing else: a run must not end for that. None counts as such a stream.
    """

    def __init__(self, stream: Any):
        self.stream: Any = io.StringIO() if stream is None else stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """As of a file. Never raises for the stream's sake."""
        try:
            self.stream.write(text)
        except (OSError, ValueError):
            self._let_go()
        return len(text)

    def flush(self) -> None:
        """As of a file. Never raises for the stream's sake."""
        try:
            self.stream.flush()
        except (OSError, ValueError):
            self._let_go()

    def _let_go(self) -> None:
        """What the stream still holds, and all that follows, goes nowhere: also what Python writes when it ends."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
            self.stream.flush()


class Console(RichConsole):
    """Rich's, for text of others: no markup in it, no emoji codes, and nothing that a terminal would obey."""

    def __init__(self, *, file: IO[str] | None = None, **options: Any):
        out: Any = Outlet(sys.stdout) if file is None else file
        super().__init__(file=out, **{"highlight": False, "markup": False, "emoji": False, **options})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Everything that is printed comes through here; the codes of rich itself are kept apart from texts."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control or not UNSAFE.search(text) else Segment(printable(text), style)


@contextlib.contextmanager
def protected() -> Iterator[None]:
    """While it lasts, no output can end the program: not one that fails, and not a letter that it does not have."""
    before = sys.stdout, sys.stderr
    last = logging.lastResort
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    outlets = Outlet(sys.stdout), Outlet(sys.stderr)
    sys.stdout, sys.stderr = outlets  # type: ignore[assignment]
    if last is not None:
        last.setFormatter(_Printable())
    try:
        yield
    finally:
        for outlet in outlets:  # what is called so by now may be anything
            outlet.flush()
        sys.stdout, sys.stderr = before
        if last is not None:
            last.setFormatter(None)


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
