"""One process for one world, asked through a pipe, and the guard that ends it. Needs Unix.

The guard is a shell that waits for the end of a pipe which nobody but us holds open: whatever ends us, even SIGKILL,
ends it, and with it the whole group of the process, what the environment itself has started included.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import subprocess
import sys
from multiprocessing import Pipe
from typing import Any

from twosome.errors import ConfigError
from twosome.limits import limited
from twosome.rollout.contract import Arrived, Violation, said

SECONDS_TO_CLOSE = 10.0
MOST_BYTES = 2**30  # of an answer
START = "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from twosome.rollout.hosted import serve; serve()"
REMEDY = "num_workers=0 keeps the worlds in one process"


class Process:
    """A process that does what it is asked, one thing after the other, and its guard."""

    def __init__(self) -> None:
        self._pipe, there = Pipe()
        command = [sys.executable, "-P", "-c", START, str(there.fileno()), json.dumps(sys.path)]
        fds = (there.fileno(),)
        # In a group of their own, which Ctrl-C in the terminal does not reach.
        self._child = subprocess.Popen(command, pass_fds=fds, stdin=subprocess.DEVNULL, process_group=0)
        there.close()
        guard = ["/bin/sh", "-c", "read _; kill -9 0"]
        self._guard = subprocess.Popen(
            guard, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, process_group=self._child.pid
        )
        self.has_started = False
        self.is_busy = False
        """It has been asked and has not answered; after an answer that was not waited for it is of no more use."""

    @property
    def is_alive(self) -> bool:
        return self._child.poll() is None

    def must_have_started(self) -> None:
        """Wait until it is ready. Raises `ConfigError` where it cannot start."""
        if self.has_started:
            return
        try:
            self._pipe.recv_bytes()
        except (EOFError, OSError):
            how = self._ending()
            self.end()
            raise ConfigError(f"A process for a world could not start: {how}. {REMEDY}.") from None
        self.has_started = True

    def ask(self, what: str, *given: Any) -> Any:
        """What it answers. Raises what was raised there as `Arrived`, and `Violation` where it has died."""
        self.send(what, *given)
        return self.receive()

    def send(self, what: str, *given: Any) -> None:
        """Ask without waiting. Raises `Violation` for what cannot be sent, and where an answer is still owed."""
        if self.is_busy:  # its next answer would be taken for that to another question
            raise Violation("has not answered what it was asked before")
        try:
            data = pickle.dumps((what, given))
        except Exception as error:
            raise Violation(f"takes in {what} what cannot be sent to its process: {said(error)}. {REMEDY}") from error
        self.is_busy = True
        with contextlib.suppress(OSError):  # a process that has died is told by `receive`
            self._pipe.send_bytes(data)

    def receive(self) -> Any:
        """The answer to what was asked."""
        try:
            data = self._pipe.recv_bytes(MOST_BYTES)
        except (EOFError, OSError):
            raise Violation(f"has lost its process: {self._ending()}") from None
        try:
            is_good, answer = pickle.loads(data)
        except Exception as error:
            raise Violation(f"gave what cannot be read outside its process: {said(error)}. {REMEDY}") from error
        self.is_busy = False
        if is_good:
            return answer
        raise _arrived(*answer)

    def close(self) -> bool:
        """Ask it to close its environment. True if it did, within some seconds, and can be used again."""
        if self.is_busy or not self.is_alive:
            return False
        try:
            self.send("close")
            if self._pipe.poll(SECONDS_TO_CLOSE):
                self.receive()
        except (Exception, Arrived):
            return False
        return not self.is_busy

    def end(self) -> None:
        """End it at once, with all that it has started."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._child.kill()  # should it have left its group, or the guard have gone
        self._child.wait()
        self._guard.wait()
        self._pipe.close()

    def _ending(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(1)
        code = self._child.returncode
        if code is None:
            return "it has closed the pipe"
        return f"signal {-code} ended it" if code < 0 else f"it ended with exit code {code}"


limited.own |= {Process.end.__code__, Process.close.__code__}  # in which a time limit of others interrupts nothing


def _arrived(kind: str, *words: str) -> BaseException:
    """What was raised in another process."""
    if kind == "violation":
        return Violation(*words)
    bases = {"missing": (Arrived, NotImplementedError), "import": (Arrived, ImportError)}.get(kind, (Arrived,))
    return type("Arrived", bases, {})(*words)
