"""A run's folder: where it is, whether it is new, finished or to be continued, and what is written into it."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome import checkpoint_folder, files, locks, tensor_files
from twosome.config.saved import must_agree, must_come_back
from twosome.config.schema import TrainSettings
from twosome.config.trust import SIGNATURE, sign
from twosome.errors import INVALID_CONTENT, CheckpointError, ConfigError, EnvironmentFault, brief, counter, number
from twosome.terminal import say
from twosome.training.aside import keep_records, set_aside, step_of
from twosome.training.progress import goal_of
from twosome.versions import versions

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, SOUND = "config.yaml", "sound.json"
OURS = re.compile(  # files of a run that are replaced as a whole, and so may be left half-written
    r"config\.yaml|environment\.json|metrics\.jsonl|decisions\.jsonl|tracked_states\.json|best\.json|sound\.json|summary\.json|made_here"
)
BEFORE_CONFIG = re.compile(r"environment\.json|made_here|output\.txt|\.(environment\.json|made_here|config\.yaml)\.tmp")
HEX = re.compile(r"[0-9a-f]{64}")  # what is in the file `made_here`
MOST_FAULTS = 100  # transcripts kept of a run's environment faults
MOST_BAD_BATCHES = 8  # batches kept that met a NaN or an infinity


class Run:
    """`folder`: where everything of the run lies; `checkpoint`: the one to continue from, None at the start.

    While it is open, no other process can use the folder.
    """

    def __init__(self, folder: Path, checkpoint: Path | None, cfg: TrainSettings, lock: int | None = None):
        self.folder, self.checkpoint, self.cfg, self._lock = folder, checkpoint, cfg, lock

    def checkpoint_folder(self, step: int) -> Path:
        return self.folder / "checkpoints" / f"step-{step:08d}"

    def write_sound(self, step: int) -> None:
        """Note in `sound.json` the last checkpoint that an update without a NaN or an infinity has followed."""
        folder = self.checkpoint_folder(step)
        if folder.exists():
            files.write_json(self.folder / SOUND, {"checkpoint": folder.name})

    def sound(self) -> Path | None:
        """That checkpoint, None before there is one."""
        try:
            name = files.read_json(self.folder / SOUND)["checkpoint"]
            folder = self.folder / "checkpoints" / name if checkpoint_folder.NAME.fullmatch(name) else None
        except (CheckpointError, *INVALID_CONTENT):
            return None
        return folder if folder is not None and folder.is_dir() else None

    def last_sound(self) -> str:
        """Where a run that met too many NaNs can be taken up again, in a sentence."""
        if (folder := self.sound()) is not None:
            return (
                f"The last checkpoint that a sound update followed is {folder}: begin a new run from it with "
                f"init={folder}."
            )
        return f"{self.folder} holds no checkpoint from before the first of them: begin again in a new run_dir."

    def keep_fault(self, fault: EnvironmentFault) -> str:
        """Keep the transcript of an environment's fault; at most `MOST_FAULTS` of them. Says where it lies."""
        path = self.folder / "faults" / f"{fault.name}.txt"
        try:
            path.parent.mkdir(exist_ok=True)
            if not path.exists() and sum(1 for _ in path.parent.iterdir()) >= MOST_FAULTS:
                return ""
            files.write_text(path, fault.transcript)
        except OSError:  # the fault itself matters more
            return ""
        return f" Its transcript is {path}; `twosome-play replay={path}` plays it again."

    def keep_bad_batch(self, name: str, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
        """Keep the samples of a step that met a NaN or an infinity; at most `MOST_BAD_BATCHES`. Says where they lie."""
        folder = self.folder / "bad_batches" / name
        try:
            folder.parent.mkdir(exist_ok=True)
            if not folder.exists() and sum(1 for _ in folder.parent.iterdir()) >= MOST_BAD_BATCHES:
                return f" The first {MOST_BAD_BATCHES} batches are in {folder.parent}."
            folder.mkdir(exist_ok=True)
            tensor_files.write_tensors(folder / "batch.safetensors", dict(tensors))
            files.write_json(folder / "batch.json", facts)
        except OSError:  # what happened matters more than its record
            return ""
        return f" The batch is in {folder}."

    def write_best(self, best: Mapping[str, float] | None) -> Path | None:
        """Name the best checkpoint in `best.json`, for `twosome.load`.

        Returns its folder, None before an evaluation.
        """
        if best is None:
            return None
        folder = self.checkpoint_folder(int(best["step"]))
        if folder.exists():
            files.write_json(self.folder / "best.json", {"checkpoint": folder.name, **best})
        return folder

    def close(self) -> None:
        """Release the folder."""
        if self._lock is not None:
            locks.unlock(self._lock)
            self._lock = None


def open_run(cfg: TrainSettings) -> Run:
    """Create the folder, or find the run in it that is to be continued. Raises `CheckpointError`, `ConfigError`.

    A folder that is no run's is left as it is.
    """
    path = None if cfg.resume is None else files.user_path(cfg.resume, "resume")
    if path is not None:
        folder = path.parent.parent if (path / checkpoint_folder.MANIFEST).is_file() else path
        if not (folder / CONFIG).is_file():
            raise CheckpointError(
                f"resume={path} is neither a run folder (config.yaml, checkpoints/) nor a checkpoint in one."
            )
    else:
        folder = files.user_path(str(cfg.run_dir or _new_folder(cfg)), "run_dir")
    has_agreed = _must_be_ours(folder, cfg, path is None)
    try:
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        lock = locks.lock(folder)
    except OSError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"The run folder {folder} cannot be written: {error}. Choose one that can: run_dir=PATH, or free space "
            "on the disk."
        ) from error
    run = Run(folder, None, cfg, lock)
    try:
        _must_be_ours(folder, cfg, path is None and not has_agreed)  # another run may have begun or ended meanwhile
        files.tidy(folder, OURS)
        files.tidy(folder / "checkpoints", checkpoint_folder.NAME)
        run.checkpoint = _start(folder, cfg) if path is None else _resume(path, folder)
        if (folder / "summary.json").exists():
            _reopen(run)
    except BaseException:
        run.close()
        raise
    cfg.run_dir = str(folder) if path is not None else cfg.run_dir
    return run


def _must_be_ours(folder: Path, cfg: TrainSettings, must_match: bool) -> bool:
    """Refuse a folder that is neither new nor that of an unfinished run with these settings. Returns whether it is one.

    `must_match`: whether `cfg` is a command line's own and not the run's. Raises `CheckpointError`, `ConfigError`.
    """
    if not folder.is_dir():
        return False
    if (folder / checkpoint_folder.MANIFEST).exists():
        raise ConfigError(
            f"run_dir={folder} is a checkpoint, which nothing else may be written into. Choose a new folder; to go on "
            f"from it: resume={folder}, to begin a new run with its weights: init={folder}."
        )
    files.must_hold_no_links(folder)
    if (folder / CONFIG).exists():
        if (folder / "summary.json").exists():
            _must_go_on(folder, cfg)
        if must_match:
            must_agree(folder, cfg)
        return True
    if found := checkpoint_folder.checkpoints(folder):
        raise CheckpointError(
            f"{folder} holds checkpoints and no {CONFIG}, so it cannot be known what they are of. Put it back (each "
            f"checkpoint has a copy: {found[-1] / CONFIG}), or choose another run_dir."
        )
    foreign = sorted(brief(p.name) for p in folder.iterdir() if not _may_precede_config(p) and not _is_empty(p))
    if foreign:
        raise ConfigError(
            f"run_dir={folder} is not empty and no run of ours: it holds no {CONFIG}, but {', '.join(foreign[:3])}"
            f"{', ...' if len(foreign) > 3 else ''}. Choose a new or an empty folder."
        )
    return False


def _may_precede_config(path: Path) -> bool:
    """Whether it is a file of a run that was killed before its settings were written, by its name and what it holds."""
    if not BEFORE_CONFIG.fullmatch(path.name) or not path.is_file():
        return False
    try:
        if path.name == "environment.json":
            found = files.read_json(path)
            return isinstance(found, dict) and versions().keys() <= found.keys()
        return path.name != SIGNATURE or bool(HEX.fullmatch(files.read_text(path, 1000)))
    except CheckpointError:
        return False


def _is_empty(path: Path) -> bool:
    """Whether it is the folder `checkpoints` of a run that was stopped before it began."""
    return path.name == "checkpoints" and path.is_dir() and not any(path.iterdir())


def _reopen(run: Run) -> None:
    """A finished run goes on: its summary stays under another name, its settings are today's."""
    summary = run.folder / "summary.json"
    steps, _ = _steps_and_best(files.read_json(summary))
    files.write_text(run.folder / CONFIG, must_come_back(dataclasses.replace(run.cfg, resume=None)))
    files.keep(summary, f"summary-{steps:08d}")


def _must_go_on(folder: Path, cfg: TrainSettings) -> None:
    """Refuse a finished run, unless `resume` asks for more of it. Raises `CheckpointError`, `ConfigError`."""
    summary = files.read_json(folder / "summary.json")
    steps, greedy = _steps_and_best(summary)
    goal = goal_of(cfg)
    came_there = goal is not None and greedy >= goal
    if cfg.resume is not None and steps < cfg.total_steps and not came_there:
        return
    more = " log.stop_at=null" if came_there else ""
    extended = f"twosome-train resume={folder} total_steps={max(2 * steps, cfg.total_steps)}{more}"
    raise ConfigError(
        f"{folder} holds a finished run of {steps:,} steps. To go on with it: {extended}. To begin another: leave "
        "run_dir out or choose another one."
    )


def _steps_and_best(summary: Any) -> tuple[int, float]:
    """Steps and best greedy return of a summary; 0 and -inf in the place of what a damaged one does not tell."""
    steps, greedy = 0, -math.inf
    with contextlib.suppress(*INVALID_CONTENT):
        steps = counter(summary["env_steps"], "env_steps")
        greedy = number(summary["best"]["greedy"], "best.greedy")
    return steps, greedy


def _start(folder: Path, cfg: TrainSettings) -> Path | None:
    """A run by its command line: the checkpoint to continue from, None where it begins."""
    if (folder / CONFIG).exists():
        return _good_checkpoint(folder)
    text = must_come_back(cfg)
    files.write_json(folder / "environment.json", versions())
    sign(folder, cfg.env)
    files.write_text(folder / CONFIG, text)
    return None


def _resume(path: Path, folder: Path) -> Path:
    """A run by its folder, or by a checkpoint in it, to which it then goes back."""
    if path == folder:
        newest = _good_checkpoint(folder)
        if newest is None:
            raise CheckpointError(
                f"{folder} holds no usable checkpoint to resume from. Run its command line again with run_dir={folder}."
            )
        return newest
    if path not in checkpoint_folder.checkpoints(folder):
        raise CheckpointError(
            f"resume={path} is not named step-<number>, as the checkpoints of a run are. Give it its name back."
        )
    checkpoint_folder.verify(path)
    later = [c for c in checkpoint_folder.checkpoints(folder) if step_of(c) > step_of(path)]
    if later:
        keep_records(folder, step_of(later[-1]))
    for checkpoint in later:
        set_aside(checkpoint, "it is later than the checkpoint to continue from")
    return path


def _good_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint; damaged newer ones are set aside, so that they are not counted among the last k."""
    checkpoint, problems = checkpoint_folder.newest_good(folder)
    for damaged, problem in problems.items():
        set_aside(damaged, problem)
    if problems:
        start = checkpoint.name if checkpoint else "the start"
        say(f"The run goes on from {start}.")
    return checkpoint


def _new_folder(cfg: TrainSettings) -> Path:
    name = cfg.name or cfg.env.id.split("/")[-1]
    base = Path("outputs") / name / f"{datetime.now():%Y-%m-%d_%H-%M-%S}_seed{cfg.seed}"
    for k in itertools.count(1):
        folder = base if k == 1 else base.with_name(f"{base.name}_{k}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)  # here and now: others of a sweep may begin in the same second
            break
    return folder
