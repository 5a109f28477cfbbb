"""What a run leaves behind when it goes back to an earlier checkpoint, or past a damaged one: kept, renamed."""

from __future__ import annotations

from pathlib import Path

from twosome import files
from twosome.terminal import say

RECORDS = ("metrics.jsonl", "decisions.jsonl", "tracked_states.json")  # cut to the checkpoint that a run continues from


def step_of(checkpoint: Path) -> int:
    """The step that a checkpoint's name tells."""
    return int(checkpoint.name.removeprefix("step-"))


def keep_records(folder: Path, step: int) -> None:
    """Keep copies of the records up to a later checkpoint: those beyond the one to continue from will be dropped."""
    for name in RECORDS:
        if (path := folder / name).is_file():
            kept = files.free_name(folder / f"{path.stem}-{step:08d}{path.suffix}")
            with path.open("rb") as file:
                files.write_bytes(kept, file)


def set_aside(folder: Path, why: str) -> None:
    """Give a checkpoint a name that no run counts. `why`: to be told. Raises `CheckpointError`."""
    aside = files.free_name(folder.with_name(f"aside-{folder.name}"))
    try:
        folder.rename(aside)
    except OSError as error:
        raise files.cannot_write(folder, error) from error
    say(f"Checkpoint {folder.name} is set aside as {aside.name}: {why}")
