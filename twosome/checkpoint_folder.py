"""Checkpoint folders on disk: written whole or not at all, trusted only if they are whole.

Knows nothing of what they hold.

checkpoints/step-00012800/   ...            whatever `write` puts there
                             manifest.json  size and SHA-256 of every file, written last
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from twosome import files
from twosome.errors import CheckpointError, brief

MANIFEST = files.MANIFEST
FORMATS = (1, 2)  # that can be read; the last is written
MOST_FILES = 256
NAME = re.compile(r"step-\d{1,18}")


def save(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a folder, then put it in place in one step: it is there whole, or not at all.

    Raises `CheckpointError` when the disk is full, read-only or gone; what was there before is untouched.
    """
    from safetensors import SafetensorError

    temporary = folder.with_name(f".{folder.name}{files.STAGED}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        write(temporary)
        paths = sorted(p for p in temporary.rglob("*") if p.is_file())
        _must_be_readable(folder, temporary, paths)
        listed = {
            p.relative_to(temporary).as_posix(): {"size": p.stat().st_size, "sha256": files.digest(p)} for p in paths
        }
        manifest = json.dumps({"format": FORMATS[-1], "files": listed}, indent=1)
        (temporary / MANIFEST).write_text(manifest, encoding="utf-8")
        _must_be_readable(folder, temporary, [temporary / MANIFEST])
        for path in [*paths, temporary / MANIFEST, *(p for p in temporary.rglob("*") if p.is_dir()), temporary]:
            files.sync(path)
        files.put_in_place(temporary, folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise error if isinstance(error, CheckpointError) else files.cannot_write(folder, error) from error


def largest(name: str) -> int:
    """The bytes that a file of a checkpoint may have, by its name: what is larger is neither written nor read."""
    kinds = {".safetensors": files.LARGEST_TENSORS, ".json": files.LARGEST_JSON}
    return files.LARGEST_YAML if name == MANIFEST else kinds.get(Path(name).suffix, files.LARGEST_YAML)


def _must_be_readable(folder: Path, temporary: Path, paths: list[Path]) -> None:
    """Refuse to put a checkpoint in place that `verify` would refuse. Raises `CheckpointError`."""
    odd = f"{len(paths)} files, of which {MOST_FILES} can be read" if len(paths) > MOST_FILES else ""
    for path in paths:
        if (size := path.stat().st_size) > largest(path.name):
            odd = f"{path.relative_to(temporary)} of {size} bytes, of which {largest(path.name)} can be read"
    if odd:
        raise CheckpointError(
            f"The checkpoint {folder} would hold {odd}; it is not written, and those before it are untouched. Lower "
            "what a checkpoint keeps: policy.reuse_capacity, ppo.self_imitation.rollouts, expert_iteration.rollouts."
        )


def verify(folder: Path) -> None:
    """Check a checkpoint against its manifest before anything in it is read. Raises `CheckpointError`."""
    if not folder.is_dir():
        raise CheckpointError(f"There is no checkpoint {folder}.")
    manifest = files.read_json(folder / MANIFEST, files.LARGEST_YAML)
    named = manifest.get("files") if isinstance(manifest, dict) else None
    is_known = isinstance(manifest, dict) and manifest.get("format") in FORMATS
    if not is_known or not isinstance(named, dict) or not named or len(named) > MOST_FILES:
        raise CheckpointError(f"{folder / MANIFEST} is not a manifest of a format that is known: {FORMATS}.")
    for name in named:
        if not name.isprintable() or "\\" in name or any(part in ("", ".", "..") for part in name.split("/")):
            shown = brief(repr(name))
            raise CheckpointError(f"Checkpoint {folder} names {shown}, which leads out of its folder; refused.")
    if odd := sorted(_present(folder) ^ named.keys())[:3]:
        shown = ", ".join(brief(repr(name)) for name in odd)
        raise CheckpointError(f"Checkpoint {folder} does not hold the files of its manifest; they differ in {shown}.")
    for name, expected in named.items():
        size = files.regular_size(folder / name, largest(name))
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise CheckpointError(f"Checkpoint {folder} names {name!r}, which leads out of its folder; refused.")
        if (
            not isinstance(expected, dict)
            or size != expected.get("size")
            or files.digest(folder / name) != expected.get("sha256")
        ):
            raise CheckpointError(f"{folder / name} is damaged: its size or SHA-256 is not that of the manifest.")


def _present(folder: Path) -> set[str]:
    """Everything in a folder but its manifest and its folders; links are not followed."""
    found: set[str] = set()
    try:
        for parent, folders, names in os.walk(folder):
            links = [f for f in folders if (Path(parent) / f).is_symlink()]
            found |= {(Path(parent) / n).relative_to(folder).as_posix() for n in [*names, *links]}
            if len(found) > MOST_FILES + 1:
                raise CheckpointError(f"{folder} holds more than {MOST_FILES} files; that is no checkpoint.")
    except (RecursionError, OSError) as error:
        raise (
            error if isinstance(error, CheckpointError) else CheckpointError(f"{folder} cannot be listed: {error}.")
        ) from error
    return found - {MANIFEST}


def format_of(folder: Path) -> int:
    """The format that a checkpoint was written in."""
    return int(files.read_json(folder / MANIFEST, files.LARGEST_YAML)["format"])


def checkpoints(run_dir: Path) -> list[Path]:
    """The checkpoint folders of a run, oldest first."""
    found = [p for p in (run_dir / "checkpoints").glob("step-*") if NAME.fullmatch(p.name) and not p.is_symlink()]
    return sorted(found, key=lambda p: int(p.name.removeprefix("step-")))


def newest_good(run_dir: Path) -> tuple[Path | None, dict[Path, str]]:
    """The newest checkpoint that is whole, and what is wrong with newer ones."""
    problems = {}
    for folder in reversed(checkpoints(run_dir)):
        try:
            verify(folder)
        except CheckpointError as error:
            problems[folder] = str(error)
        else:
            return folder, problems
    return None, problems


def keep_last(run_dir: Path, k: int, others: Collection[Path | None]) -> None:
    """Remove all but the last `k` checkpoints and some `others`. Raises `CheckpointError`."""
    for folder in checkpoints(run_dir)[:-k]:
        if folder not in others:
            try:
                files.remove(folder)
            except OSError as error:
                raise CheckpointError(
                    f"The old checkpoint {folder} cannot be removed: {error}. Mend its permissions."
                ) from error
