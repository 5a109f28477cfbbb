"""Files written whole or not at all, and read within bounds. Knows nothing of what they hold.

What is read may come from a stranger: only regular files of bounded size, never through a symbolic link, only JSON,
YAML and safetensors. Nothing here can run code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from twosome.errors import CheckpointError, ConfigError, brief

LARGEST_JSON = 256 * 2**20  # bytes; a JSON file beyond this is refused unread
LARGEST_YAML = 2**17  # YAML is parsed slowly
LARGEST_NOTE = 2**20  # of best.json, which names a checkpoint
LARGEST_TENSORS = 64 * 2**30
LARGEST_LINES, LONGEST_LINE = 4 * 2**30, 2**26  # a file of JSON lines, and one of them
MANIFEST = "manifest.json"  # of a checkpoint, written last
STAGED, REPLACED = ".tmp", ".old"  # suffixes of a folder being written, and of one being replaced


# Writing --------------------------------------------------------------------------------------------------------------


def write_bytes(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file in one step: after a kill at any instant it is the old one or the new one.

    `data`: whole, or in parts. A link of that name is replaced, not followed. Raises `CheckpointError`.
    """
    temporary = path.with_name(f".{path.name}{STAGED}")
    try:
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:  # x: what has the name by now is an error, be it a link
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def write_text(path: Path, text: str) -> None:
    """The same for a text, as UTF-8, its line ends as they are."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """The same for a value as JSON."""
    write_text(path, json.dumps(value, indent=1))


def open_to_append(path: Path) -> IO[str]:
    """A text file to which lines are added. Raises `OSError` where a link, a pipe or a device has the name."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file")
    return open(descriptor, "a", encoding="utf-8", newline="\n")


def put_in_place(temporary: Path, folder: Path) -> None:
    """Let a finished folder take its name. What had the name before is kept until the new one has it; see `tidy`."""
    replaced = folder.with_name(f".{folder.name}{REPLACED}")
    if folder.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        folder.rename(replaced)
    temporary.rename(folder)
    sync(folder.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def remove(folder: Path) -> None:
    """Remove a folder so that a kill half-way leaves nothing that looks like it."""
    doomed = folder.with_name(f".{folder.name}{STAGED}")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def tidy(folder: Path, is_ours: re.Pattern[str]) -> None:
    """Clear what a kill left behind of files and folders whose whole name is ours; nobody else's are touched.

    A folder whose replacement never came gets its name back.
    """
    for path in sorted(folder.iterdir()):
        name, _, kind = path.name.removeprefix(".").rpartition(".")
        if not path.name.startswith(".") or not is_ours.fullmatch(name):
            continue
        original = path.with_name(name)
        if f".{kind}" == REPLACED and not original.exists():
            path.rename(original)
        elif f".{kind}" in (STAGED, REPLACED):
            is_folder = path.is_dir() and not path.is_symlink()
            shutil.rmtree(path, ignore_errors=True) if is_folder else path.unlink(missing_ok=True)


def must_hold_no_links(folder: Path) -> None:
    """Refuse a folder in which a symbolic link leads elsewhere: what is written there would be written outside.

    Raises `CheckpointError`.
    """
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            if (path := Path(parent) / name).is_symlink():
                raise CheckpointError(
                    f"{path} is a symbolic link, and a run folder holds none: what the run writes could land anywhere. "
                    "Remove it, or put the files themselves in its place."
                )


def free_name(path: Path) -> Path:
    """A path that nothing has yet: this one, or with a number before its suffix.

    >>> free_name(Path("nowhere/a.txt")).name
    'a.txt'
    """
    free, k = path, 1
    while os.path.lexists(free):
        k += 1
        free = path.with_name(f"{path.stem}-{k}{path.suffix}")
    return free


def keep(path: Path, name: str) -> None:
    """Give a file that is about to be written anew another name, `{name}{suffix}`, or one with a number.

    Raises `CheckpointError`.
    """
    try:
        if os.path.lexists(path):
            path.rename(free_name(path.with_name(f"{name}{path.suffix}")))
    except OSError as error:
        raise cannot_write(path, error) from error


def must_be_writable(folder: Path, *names: str) -> None:
    """Make a folder where there is none, and try to write in it, so that hours of work are not lost at their end.

    `names`: of files that will be written there, which must not be folders. A checkpoint is refused: it is whole only
    as it was written. Raises `CheckpointError`.
    """
    if (folder / MANIFEST).exists():
        raise CheckpointError(
            f"{folder} is a checkpoint, which nothing else may be written into. Choose another out=PATH."
        )
    if taken := next((name for name in names if (folder / name).is_dir()), None):
        raise CheckpointError(f"{folder / taken} is a folder, and a file of that name is to be written. Rename it.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CheckpointError(
            f"{folder} cannot be written: {error}. Choose a folder that can, with out=PATH."
        ) from error


def user_path(text: str, key: str) -> Path:
    """A path as a person writes it, with `~`, and absolute: what it names stays, wherever a world may go.

    Raises `ConfigError`.
    """
    try:
        path = Path(os.path.abspath(Path(text).expanduser()))
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            path.lstat()  # raises for a name that no file system takes
        return path
    except (RuntimeError, ValueError, OSError) as error:
        raise ConfigError(f"{key}={brief(text)} is no path: {brief(error)}") from error


def cannot_write(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path} cannot be written: {error}. Free space, bring the folder back or mend its permissions, then run the "
        "same command again: a run continues from its last good checkpoint, which is untouched."
    )


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# Reading --------------------------------------------------------------------------------------------------------------


def regular_size(path: Path, largest: int) -> int:
    """The size of a regular file of at most `largest` bytes. Raises `CheckpointError` for anything else."""
    try:
        found = path.lstat()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}.") from error
    if not stat.S_ISREG(found.st_mode):
        raise CheckpointError(f"{path} is not a regular file (a link, folder, pipe or device); refused.")
    if found.st_size > largest:
        raise CheckpointError(f"{path} has {found.st_size} bytes, more than the {largest} allowed; refused unread.")
    return found.st_size


def read_text(path: Path, largest: int = LARGEST_YAML) -> str:
    """The text of a regular file of bounded size. Raises `CheckpointError`."""
    regular_size(path, largest)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}.") from error


def read_json(path: Path, largest: int = LARGEST_JSON) -> Any:
    """The value of a JSON file of bounded size and depth. Raises `CheckpointError`."""
    try:
        return json.loads(read_text(path, largest))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON that can be read: {error}.") from error


def read_lines(path: Path, largest: int = LARGEST_LINES) -> Iterator[dict[str, Any]]:
    """The records of a file of JSON lines, one by one; a line that is damaged or was cut off by a kill is left out.

    Raises `CheckpointError`.
    """
    return (record for _, record in _records(path, largest))


def _records(path: Path, largest: int = LARGEST_LINES) -> Iterator[tuple[str, dict[str, Any]]]:
    """Line and record, one by one. Raises `CheckpointError`."""
    regular_size(path, largest)
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        while line := file.readline(LONGEST_LINE):
            try:
                record = json.loads(line, object_pairs_hook=_record)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                yield line.rstrip("\n"), record


def _record(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A record whose keys are kept once for all records."""
    return {sys.intern(key): value for key, value in pairs}


def cut_lines(path: Path, step: int) -> None:
    """Drop the records after the checkpoint that a run continues from: they will be written again."""
    if path.exists() or path.is_symlink():
        kept = (line for line, record in _records(path) if _is_up_to(record, step))
        write_bytes(path, (f"{line}\n".encode("utf-8", "backslashreplace") for line in kept))


def _is_up_to(record: dict[str, Any], step: int) -> bool:
    return isinstance(record.get("step"), int) and record["step"] <= step


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
