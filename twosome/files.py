"""Files written whole or not at all, and read within bounds. Knows nothing of what they hold.

What is read may come from a stranger: only regular files of bounded size, never through a symbolic link, only JSON,
YAML and safetensors. Nothing here can run code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.errors import CheckpointError, brief

if TYPE_CHECKING:
    import torch

LARGEST_JSON = 256 * 2**20  # bytes; a JSON file beyond this is refused unread
LARGEST_YAML = 2**20
LARGEST_TENSORS = 64 * 2**30
STAGED, REPLACED = ".tmp", ".old"  # suffixes of a folder being written, and of one being replaced


# Writing --------------------------------------------------------------------------------------------------------------


def write_text(path: Path, text: str) -> None:
    """Write a file in one step: after a kill at any instant it is the old one or the new one.

    Raises `CheckpointError`.
    """
    temporary = path.with_name(f".{path.name}{STAGED}")
    try:
        with temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def write_json(path: Path, value: Any) -> None:
    """The same for a value as JSON."""
    write_text(path, json.dumps(value, indent=1))


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Tensors as safetensors, inside a folder that is put in place as a whole. Raises `CheckpointError`."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, str(path))
    except (OSError, SafetensorError) as error:
        raise cannot_write(path, error) from error


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


def tidy(folder: Path) -> None:
    """Clear what a kill left behind: half-written files and folders.

    A folder whose replacement never came gets its name back.
    """
    for path in folder.glob(f".*{STAGED}"):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    for path in folder.glob(f".*{REPLACED}"):
        original = path.with_name(path.name[1 : -len(REPLACED)])
        shutil.rmtree(path, ignore_errors=True) if original.exists() else path.rename(original)


def cannot_write(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path} cannot be written: {error}. Free space, bring the folder back or mend its permissions, then run the "
        "same command again: the run continues from its last good checkpoint, which is untouched."
    )


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock(folder: Path) -> int | None:
    """Hold a folder for this process until it ends or the descriptor is closed.

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
    return descriptor


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


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file. Raises `CheckpointError`."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    regular_size(path, LARGEST_TENSORS)
    try:
        return load_file(str(path))
    except (OSError, SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {brief(error)}.") from error


def read_finite_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The same, all of them finite. Raises `CheckpointError`."""
    tensors = read_tensors(path)
    must_be_finite(path, tensors)
    return tensors


def must_be_finite(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Raise `CheckpointError` for tensors of `path` that hold a NaN, an infinity or complex numbers."""
    for name, tensor in tensors.items():
        real = tensor.float() if tensor.is_floating_point() and tensor.element_size() == 1 else tensor  # of 8 bits
        if real.is_complex() or not real.isfinite().all():
            raise CheckpointError(f"{path} holds numbers that are not finite, in {brief(repr(name))}; refused.")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file of JSON lines; a last line that was cut off by a kill is left out."""
    records = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(record, dict):
            break
        records.append(record)
    return records


def cut_lines(path: Path, step: int) -> None:
    """Drop the records after the checkpoint that a run continues from: they will be written again."""
    if path.exists():
        regular_size(path, LARGEST_TENSORS)
        kept = [record for record in read_lines(path) if isinstance(record.get("step"), int) and record["step"] <= step]
        write_text(path, "".join(json.dumps(record) + "\n" for record in kept))


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
