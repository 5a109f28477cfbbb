"""SIGINT, SIGTERM, SIGHUP: finish the step, save, leave with a code that says so. A second one leaves at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

from twosome.errors import Stopped
from twosome.terminal import say

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interrupt:
    """While it is open, a signal within a step waits until `leave_if_asked`; elsewhere it raises `Stopped` at once.

    A second signal ends the process with 128 + its number, whatever it is doing.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.requested: int | None = None
        self._in_step = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        for number in SIGNALS:
            if signal.getsignal(number) == signal.SIG_IGN and number != signal.SIGINT:
                continue  # as `nohup` asks for
            try:
                self._previous[number] = signal.signal(number, self._receive)
            except ValueError:  # not the main thread (a notebook, a sweep): signals stay with their owner
                break
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def wait_for_step(self) -> None:
        """From here until `leave_if_asked` a signal waits."""
        self._in_step = True

    def leave_if_asked(self) -> None:
        """The step is done, and saved if `requested`: leave if a signal came meanwhile."""
        self._in_step = False
        if self.requested is not None:
            self._leave()

    def _receive(self, number: int, _frame: object) -> None:
        if self.requested is not None:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                sys.stderr.write("\x1b[?25h" if sys.stderr.isatty() else "")  # a bar may have hidden the cursor
                sys.stderr.flush()
            os._exit(128 + number)
        self.requested = number
        if not self._in_step:
            self._leave()
        say("\nStopping after this step; once more to stop at once.")

    def _leave(self) -> None:
        assert self.requested is not None
        how = ""
        if self.folder is not None and (self.folder / "summary.json").exists():
            how = " The run is finished and saved."
        elif self.folder is not None and any((self.folder / "checkpoints").glob("step-*")):
            by_folder = f"the same command line and run_dir={self.folder}"
            how = f" Saved. Continue with {by_folder}, or with: twosome-train resume={self.folder}"
        elif self.folder is not None:
            how = " Nothing was learnt yet; the same command line begins again."
        raise Stopped(self.requested, f"Stopped by {signal.Signals(self.requested).name}.{how}")
