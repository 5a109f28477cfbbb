"""Python code in a process of its own, bounded in time, memory, output and files. This is no jail: see SECURITY.md.

The process is `python -I -S -B` without environment variables, in an empty folder that is deleted afterwards. Before
the code runs it gives up what the limits say, and an audit hook refuses to start processes, to write outside of the
folder and to use the network. Code that is made for it gets around the hook; it stops mistakes, not an attacker.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from typing import IO, NamedTuple

try:
    import resource
except ImportError:  # no Unix
    resource = None  # type: ignore[assignment]

LONGEST = 10_000
"""Characters of code."""
PATIENCE = 0.5
"""Seconds that a process has to end after its output has ended."""
GUARD = """\
import os, resource, sys
code, seconds, memory, file = sys.argv[1], *map(int, sys.argv[2:])
limits = {"CPU": seconds, "AS": memory, "FSIZE": file, "NPROC": 0, "CORE": 0, "NOFILE": 32}
for name, most in limits.items():
    resource.setrlimit(getattr(resource, "RLIMIT_" + name), (most, most))
inside = os.path.realpath(os.getcwd()) + os.sep
flags = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
refused = ("os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.posix_spawn", "os.spawn", "os.system",
           "socket.", "subprocess.", "pty.", "ctypes.", "resource.", "signal.pthread_kill")
changes = ("os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink",
           "os.truncate", "os.utime")
def guard(event, args):
    if event.startswith(refused):
        raise PermissionError(event + " is not allowed here")
    writes = event == "open" and (set(str(args[1] or "")) & set("wax+") or args[2] & flags)
    if writes or event in changes:
        for path in args[:1] if event == "open" else [it for it in args if isinstance(it, (str, bytes))]:
            if isinstance(path, int) or not os.path.realpath(os.fsdecode(path)).startswith(inside):
                raise PermissionError("writing outside of the folder is not allowed here")
sys.argv, sys.tracebacklimit = [""], 0
sys.addaudithook(guard)
exec(compile(code, "<code>", "exec"), {"__name__": "__main__"})
"""
"""What the process begins with. Arguments: code, seconds of processor time, bytes of memory and of a file."""


class PythonLimits(NamedTuple):
    """seconds on the clock; bytes of memory and of a file; characters of output."""

    seconds: float = 5.0
    memory: int = 256 << 20
    file: int = 1 << 20
    output: int = 2_000


class PythonError(RuntimeError):
    """How the code failed: the last line that Python gave, or the limit that it ran into."""


def is_available() -> bool:
    """Whether this system has the limits that the tool needs."""
    return resource is not None and hasattr(os, "killpg")


def run_python(code: str, limits: PythonLimits = PythonLimits()) -> str:  # noqa: B008 (immutable)
    """What the code printed. Raises `PythonError`, also where there is more of it than the limit."""
    if not is_available():
        raise PythonError("this system cannot limit what a process uses")
    if len(code) > LONGEST or "\0" in code:
        raise PythonError(f"expected code of at most {LONGEST} characters, none of them NUL")
    with tempfile.TemporaryDirectory(prefix="twosome_python_") as folder:
        numbers = (max(1, round(limits.seconds)), limits.memory, limits.file)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", GUARD, code, *map(str, numbers)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={},
            start_new_session=True,
        )
        assert process.stdout is not None
        said, reason = b"", "broken off"
        try:
            said, reason = _read(process.stdout, time.monotonic() + limits.seconds, limits.output)
        finally:
            _end(process, is_through=not reason)
    text = said.decode("utf-8", "replace")
    if reason == "time":
        raise PythonError(f"it took more than {limits.seconds:g} s")
    if reason == "output":
        raise PythonError(f"it printed more than {limits.output} characters: {text[:60]}...")
    if process.returncode < 0:
        raise PythonError(f"it was ended by signal {-process.returncode}: too much time or memory")
    if process.returncode:
        raise PythonError((text.strip().splitlines() or [f"exit status {process.returncode}"])[-1])
    return text


def _read(stream: IO[bytes], until: float, most: int) -> tuple[bytes, str]:
    """What comes out until the end, or until a limit, which is named: time or output."""
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while len(said) <= most:
            if not selector.select(max(0.0, until - time.monotonic())):
                return said, "time"
            more = os.read(stream.fileno(), 1 << 16)
            if not more:
                return said, ""
            said += more
    return said[:most], "output"


def _end(process: subprocess.Popen[bytes], is_through: bool) -> None:
    """End the process and all of its group, if it does not end by itself, and wait for it."""
    try:
        process.wait(PATIENCE if is_through else 0)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # it was not waited for, so the number is still its own
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
