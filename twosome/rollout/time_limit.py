"""A time limit for code of others that may never answer: it is interrupted where it is. Knows no environment.

It works by the alarm signal of Unix, so in the main thread alone, and it ends Python code: a call into a library that
never comes back is not interrupted, nor is code that catches everything and goes on.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


class TookTooLong(BaseException):
    """Raised inside the code that takes too long; no `Exception`, since code of others catches those."""


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Raise `TookTooLong` in what is inside, once so many seconds are over; None sets no limit.

    Whatever used the alarm before has its handler again afterwards, and a timer that was running is gone.
    """
    if seconds is None:
        yield
        return
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        log.warning(f"env.step_seconds={seconds:g} sets no limit here: it needs Unix and the main thread.")
        yield
        return
    before = signal.signal(signal.SIGALRM, _ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _ring(*_: object) -> None:
    raise TookTooLong
