"""SIGINT and SIGTERM: finish the step, save, leave with a code that says so. A second one leaves at once."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any


class Interrupt:
    """While it is open, the first signal sets `requested`; the second ends the process with 128 + signal number."""

    def __init__(self) -> None:
        self.requested: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._previous[number] = signal.signal(number, self._receive)
            except ValueError:  # not the main thread (a notebook, a sweep): signals stay with their owner
                break
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _frame: object) -> None:
        if self.requested is not None:
            os._exit(128 + number)
        self.requested = number
        print("\nStopping after this step; once more to stop at once.", file=sys.stderr)

    def leave(self, run: Any) -> None:
        """Called after saving: say how to go on and exit with 128 + signal number (130 for Ctrl-C, 143 for SIGTERM)."""
        assert self.requested is not None
        print(f"Saved. Continue with: twosome-train resume={run.folder}", file=sys.stderr)
        raise SystemExit(128 + self.requested)
