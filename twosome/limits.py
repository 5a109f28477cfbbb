"""Limits for code of others, which may never answer or take all memory: it is interrupted where it is.

The time limit works by the alarm signal of Unix, so in the main thread alone, and it ends Python code: a call into a
library that never comes back is not interrupted, nor is code that catches everything and goes on, which is late when it
ends. The limit of memory works on Linux.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, ClassVar

log = logging.getLogger(__name__)


class TookTooLong(BaseException):
    """Raised inside the code that takes too long; no `Exception`, since code of others catches those."""


class limited:
    """Raise `TookTooLong` in what is inside, once so many seconds are over.

    It is raised in there, again and again, and nowhere else: where the time runs out on the way in or out, or in code
    that lets nothing out, `is_late` alone tells it. Whatever used the alarm before has its handler again afterwards,
    and a timer that was running is gone. `name`: of the setting, for a warning where there can be no limit.
    """

    __slots__ = ("_before", "_is_set", "is_late", "name", "seconds")
    own: ClassVar[set[CodeType]] = set()  # what runs around the code of others, in which nothing is raised

    def __init__(self, seconds: float, name: str = ""):
        self.seconds, self.name, self.is_late, self._is_set = seconds, name, False, False
        self._before: Any = None

    def __enter__(self) -> None:
        if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
            if self.name:
                _warn_once(f"{self.name}={self.seconds:g} sets no limit here: it needs Unix and the main thread.")
            return
        self._before, self._is_set = signal.signal(signal.SIGALRM, self._ring), True
        signal.setitimer(signal.ITIMER_REAL, self.seconds, self.seconds)

    def __exit__(self, *_: object) -> None:
        if self._is_set:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        self.is_late = True
        while frame is not None:
            if frame.f_code in limited.own:
                return
            frame = frame.f_back
        raise TookTooLong


limited.own |= {limited.__enter__.__code__, limited.__exit__.__code__}


@lru_cache
def _warn_once(text: str) -> None:
    log.warning(text)


@contextmanager
def limited_memory(most: int) -> Iterator[None]:
    """Let what is inside take at most so many bytes more than there are; beyond them it meets a `MemoryError`."""
    try:
        import resource

        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        before = resource.getrlimit(resource.RLIMIT_AS)
    except (ImportError, OSError, ValueError):  # no Linux
        yield
        return
    free = before[0] == resource.RLIM_INFINITY or now + most < before[0]
    try:
        if free:
            resource.setrlimit(resource.RLIMIT_AS, (now + most, before[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
