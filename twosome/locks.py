"""A folder held by one process, so that no other writes there."""

from __future__ import annotations

import os
from pathlib import Path

from twosome.errors import CheckpointError

_held: set[int] = set()  # descriptors of the folders that this process holds


def lock(folder: Path) -> int | None:
    """Hold a folder for this process until it ends or `unlock`; a process that it forks does not hold it too.

    Raises `CheckpointError` if another has it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise CheckpointError(
            f"{folder} is in use by another run that is still going. Wait for it, stop it, or choose another run_dir."
        ) from None
    except OSError:  # a file system without locks
        os.close(descriptor)
        return None
    _held.add(descriptor)
    return descriptor


def unlock(descriptor: int) -> None:
    """Release a folder that `lock` holds."""
    _held.discard(descriptor)
    os.close(descriptor)


def _let_go() -> None:
    """In a forked process, which would keep the lock beyond the life of its parent."""
    while _held:
        os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
