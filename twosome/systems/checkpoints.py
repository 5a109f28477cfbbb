"""Which checkpoint of a run: the newest, the best, or the one that a new run begins with. Loads no model."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple

from twosome import files
from twosome.checkpoint_folder import MANIFEST, newest_good, verify
from twosome.errors import INVALID_CONTENT, CheckpointError, ConfigError, brief, counter, number

log = logging.getLogger(__name__)

NEWEST = "Use which=newest (from Python checkpoint='newest')."


def checkpoint_of(run_dir: Path, which: str) -> Path:
    """The folder of a run's `newest` or `best` checkpoint. Raises `CheckpointError`, `ConfigError`."""
    if which == "best":
        best = run_dir / "best.json"
        if not best.is_file():
            raise CheckpointError(f"{run_dir} names no best checkpoint yet (it had no evaluation). {NEWEST}")
        found = files.read_json(best, files.LARGEST_NOTE)
        name = found.get("checkpoint") if isinstance(found, dict) else None
        if not isinstance(name, str) or Path(name).name != name or "\0" in name or len(name) > 99:
            raise CheckpointError(f"{best} names no checkpoint of the run ({brief(repr(name))}); refused. {NEWEST}")
        folder = run_dir / "checkpoints" / name
        if not (folder / MANIFEST).is_file():
            raise CheckpointError(f"{best} names {brief(repr(name))}, which is no checkpoint. {NEWEST}")
        return folder
    if which != "newest":
        raise ConfigError(f"Unknown checkpoint {which!r}. Known: newest, best.")
    newest, problems = newest_good(run_dir)
    if newest is None:
        raise CheckpointError(f"{run_dir} holds no usable checkpoint. {' '.join(problems.values())}".strip())
    for problem in problems.values():
        log.warning("Using %s instead of a newer, damaged one: %s", newest, problem)
    return newest


class Chosen(NamedTuple):
    """A checkpoint of a run and what there is to know of the choice, in a sentence."""

    which: str
    said: str


def choose_checkpoint(path_or_name: str | Path, which: str) -> Chosen:
    """What `which=best` comes to: the newest where none is named best; and whether the newest has become worse.

    Anything but a run folder has nothing to choose from. Raises `CheckpointError` as `checkpoint_of` does.
    """
    if which not in ("newest", "best"):
        raise ConfigError(f"Unknown checkpoint {which!r}. Known: newest, best.")
    run = files.user_path(str(path_or_name), "checkpoint")
    if not (run / "checkpoints").is_dir():
        return Chosen(which, "")
    if not (run / "best.json").is_file():
        why = f"{run} names no best checkpoint (it had no evaluation); this is the newest." if which == "best" else ""
        return Chosen("newest", why)
    best = files.read_json(run / "best.json", files.LARGEST_NOTE)
    last = _last_evaluation(run)
    try:
        step, greedy = counter(best["step"], "step"), number(best["greedy"], "greedy")
    except INVALID_CONTENT:
        return Chosen(which, "")
    if last is None or round(last["eval/greedy_return"], 9) >= greedy:
        return Chosen(which, "")
    now = f"at step {last['step']:,} its greedy return was {last['eval/greedy_return']:.4f}"
    other = "newest" if which == "best" else "best"
    return Chosen(
        which,
        f"{run} has become worse after its best checkpoint (step {step:,}, {greedy:.4f}): {now}. This is the {which}; "
        f"which={other} takes the other.",
    )


def _last_evaluation(run: Path) -> dict[str, Any] | None:
    """The last record of a run's metrics that holds a greedy evaluation."""
    last, path = None, run / "metrics.jsonl"
    for record in files.read_lines(path) if path.is_file() else ():
        try:
            counter(record["step"], "step"), number(record["eval/greedy_return"], "return")
        except INVALID_CONTENT:
            continue
        last = record
    return last


def initial_checkpoint(path_or_run: str) -> Path:
    """The checkpoint that `init=PATH` names, whole: of a run its newest. Raises `CheckpointError`."""
    path = files.user_path(path_or_run, "init")
    if (path / "checkpoints").is_dir():
        path = checkpoint_of(path, "newest")
    if not (path / MANIFEST).is_file():
        raise CheckpointError(f"init={path_or_run} is neither a run folder nor a checkpoint (manifest.json) in one.")
    verify(path)
    return path
