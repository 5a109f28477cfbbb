"""A time limit for code of others that may never answer: it is interrupted where it is. Knows no environment.

It works by the alarm signal of Unix, so in the main thread alone, and it ends Python code: a call into a library that
never comes back is not interrupted, nor is code that catches everything and goes on, which is late when it ends.
"""

from __future__ import annotations

import logging
import signal
import threading
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, ClassVar

log = logging.getLogger(__name__)


class TookTooLong(BaseException):
    """Raised inside the code that takes too long; no `Exception`, since code of others catches those."""


class limited:
    """Raise `TookTooLong` in what is inside, once so many seconds are over.

    It is raised in there, again and again, and nowhere else: where the time runs out on the way in or out, or in code
    that lets nothing out, `is_late` alone tells it. Whatever used the alarm before has its handler again afterwards,
    and a timer that was running is gone.
    """

    __slots__ = ("_before", "_is_set", "is_late", "seconds")
    own: ClassVar[set[CodeType]] = set()  # what runs around the code of others, in which nothing is raised

    def __init__(self, seconds: float):
        self.seconds, self.is_late, self._is_set = seconds, False, False
        self._before: Any = None

    def __enter__(self) -> None:
        if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
            _warn_once(self.seconds)
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
def _warn_once(seconds: float) -> None:
    log.warning(f"env.step_seconds={seconds:g} sets no limit here: it needs Unix and the main thread.")
