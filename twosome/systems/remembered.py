"""A memory from wherever it lies, a run, a checkpoint or a file; given to a policy, or back to its checkpoint.

Loads no model.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from twosome import checkpoint_folder, files, locks
from twosome.agents.remembering import FILE
from twosome.checkpoint_folder import MANIFEST, verify
from twosome.config.names import BASELINES, REMEMBERING, key_of, near
from twosome.config.saved import memory_settings, read_settings
from twosome.config.schema import MemorySettings, TrainSettings
from twosome.errors import INVALID_CONTENT, CheckpointError, ConfigError, brief
from twosome.memory import store
from twosome.memory.records import Records
from twosome.memory.store import Stored
from twosome.systems.checkpoints import checkpoint_of, choose_checkpoint

SUFFIXES = (".sqlite", ".json")


class Memory(NamedTuple):
    """A memory that was found.

    `path`: of its file; `checkpoint`: the folder that this is a part of, None for a file by itself; `settings`: how it
    advises, its own and what the command line changes of them; `about`: whence it is, for people; `said`: what there is
    to know of the choice of the checkpoint.
    """

    records: Records
    settings: MemorySettings
    path: Path
    checkpoint: Path | None
    about: dict[str, str]
    said: str = ""

    def facts(self) -> dict[str, Any]:
        """Which memory it is, for a result that was come to with its help."""
        s = self.settings
        return {
            "path": str(self.path),
            "sha256": files.digest(self.path),
            "records": len(self.records),
            **{name: getattr(s, name) for name in ("use", "form", "similarity", "k", "tau")},
        }

    def __str__(self) -> str:
        """In a sentence."""
        s, n = self.settings, len(self.records)
        folder = self.checkpoint
        whose = self.path if folder is None else f"{run_of(folder).name}, {folder.name}"
        how = f"memory.use={s.use} memory.form={s.form} memory.similarity={s.similarity} memory.k={s.k}"
        return f"{n:,} record{'' if n == 1 else 's'} of {whose} ({how})"

    def stored(self) -> Stored:
        """As a file holds it."""
        settings = {name: value for name, value in vars(self.settings).items() if name != "init"}
        return Stored(self.records.state_dict(), settings, self.about)


def find_memory(text: str, *, which: str = "newest", overrides: Sequence[str] = (), key: str = "memory") -> Memory:
    """The memory of a run (`which` of its checkpoints), of a checkpoint, or in a file that `twosome-memory` exported.

    `overrides`: of the user; those that begin with `memory.` change how it advises. `key`: what the user calls `text`.
    Raises `CheckpointError` for what is no memory, `ConfigError` for overrides that cannot work.
    """
    path, said = files.user_path(text, key), ""
    overrides = [o for o in overrides if key_of(o).startswith("memory.")]
    if (path / "checkpoints").is_dir():
        which, said = choose_checkpoint(path, which)
        path = checkpoint_of(path, which)
    if (path / MANIFEST).is_file():
        return _of_checkpoint(path, overrides, said)
    if path.is_dir() or not path.exists():
        beside = [p.name for p in path.parent.iterdir() if _is_memory(p)] if path.parent.is_dir() else []
        found = "a folder that is neither a run nor a checkpoint" if path.is_dir() else "nothing of that name"
        raise CheckpointError(
            f"{key}={text}: expected a run folder, a checkpoint folder in one, or a file that `twosome-memory RUN "
            f"export` wrote ({', '.join(SUFFIXES)}), found {found}.{near(path.name, beside)}"
        )
    stored = store.read(path)
    settings = memory_settings(stored.settings, overrides, str(path))
    return Memory(records_of(stored.state, settings, path), settings, path, None, stored.about)


def _is_memory(path: Path) -> bool:
    return path.suffix in SUFFIXES or (path / "checkpoints").is_dir() or (path / MANIFEST).is_file()


def _of_checkpoint(folder: Path, overrides: Sequence[str], said: str) -> Memory:
    verify(folder)
    path, data = folder / FILE, read_settings(folder / "config.yaml")
    if not path.is_file():
        raise CheckpointError(
            f"{folder} holds no memory: expected {FILE}, which a run of method=memory saves, found a checkpoint of "
            f"method={brief(data.get('method'), 40)}. To let a memory advise its policy: twosome-eval "
            "checkpoint=RUN memory=PATH."
        )
    stored = store.read(path)
    settings = memory_settings(data.get("memory") or {}, overrides, str(folder / "config.yaml"))
    parts = [part if isinstance(part := data.get(name), dict) else {} for name in ("env", "model")]
    about = store.about(
        run=folder.parent.parent.name,
        checkpoint=folder.name,
        env=parts[0].get("id"),
        gamma=parts[0].get("gamma"),
        model=parts[1].get("name"),
    )
    return Memory(records_of(stored.state, settings, path), settings, path, folder, about, said)


def records_of(state: dict[str, Any], settings: MemorySettings, path: Path) -> Records:
    """Records of what a file holds. Raises `CheckpointError` naming it."""
    records = Records(settings)
    try:
        records.load_state_dict(state)
    except INVALID_CONTENT as error:
        raise CheckpointError(f"{path} holds no memory: {brief(error)}") from error
    return records


def initial_memory(cfg: TrainSettings) -> Memory:
    """The memory that `memory.init` names, which a run begins with. Raises `CheckpointError`, `ConfigError`."""
    found = find_memory(cfg.memory.init or "", key="memory.init")
    if len(found.records) > cfg.memory.capacity:
        raise ConfigError(
            f"memory.init={cfg.memory.init} holds {len(found.records):,} records, more than "
            f"memory.capacity={cfg.memory.capacity:,}. Raise the capacity, or forget some: twosome-memory RUN forget."
        )
    return found


def other_discount(memory: Memory, gamma: float) -> str:
    """That its values were learnt with another discount than a world's, in a sentence; empty where they were not."""
    theirs = memory.about.get("gamma")
    if theirs is None or theirs == str(gamma):
        return ""
    return f"The values of this memory were learnt with the discount {brief(theirs, 20)}; here it is {gamma}."


def advisor_of(
    cfg: TrainSettings, folder: Path | None, given: Memory | None, overrides: Sequence[str], source: str
) -> Memory | None:
    """Which memory advises a policy that was found: the one that was given, else its own, or none.

    Raises `ConfigError` where the policy cannot read one, or settings of a memory would do nothing.
    """
    if given is not None:
        if cfg.method in BASELINES:
            raise ConfigError(
                f"memory=PATH advises a policy of texts, and {source} is a run of method={cfg.method}, which reads "
                "numbers. Leave memory out."
            )
        return given
    has_own = cfg.method in REMEMBERING and folder is not None
    asked = next((o for o in overrides if key_of(o).startswith("memory.")), None)
    if asked is not None and not has_own:
        raise ConfigError(
            f"{asked} does nothing here: {source} is of method={cfg.method}, which has no memory. Add memory=PATH, or "
            "leave it out."
        )
    return find_memory(str(folder), overrides=overrides, key="checkpoint") if has_own else None


@contextmanager
def held(text: str, key: str) -> Iterator[None]:
    """While it lasts no run can write where a memory is to be changed. Raises `CheckpointError` where one does."""
    path = files.user_path(text, key)
    place = run_of(path) if (path / MANIFEST).is_file() else path
    if not place.is_dir():
        raise CheckpointError(f"{key}={text}: expected a run folder or a checkpoint folder, found none of that name.")
    try:
        lock = locks.lock(place)
    except CheckpointError:
        raise CheckpointError(
            f"{place} is in use by a run that is still going: its next checkpoint would undo the change. Wait for it, "
            "or stop it."
        ) from None
    try:
        yield
    finally:
        if lock is not None:
            locks.unlock(lock)


def run_of(checkpoint: Path) -> Path:
    """The run that a checkpoint is of; of one by itself the folder that it lies in."""
    return checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent


def put_back(memory: Memory, state: dict[str, Any]) -> Path:
    """Write a memory that was changed into its checkpoint; the one before is kept as a file beside the checkpoints.

    The checkpoint is the old or the new one at any instant. Returns the path of that file. Raises `CheckpointError`,
    `ConfigError`.
    """
    folder = memory.checkpoint
    if folder is None:
        raise ConfigError(f"{memory.path} is a file by itself: expected a run or a checkpoint. Import it into one.")
    records_of(state, memory.settings, folder / FILE)
    if (n := len(state["records"])) > memory.settings.capacity:
        raise ConfigError(
            f"The memory would have {n:,} records, of which the run keeps memory.capacity="
            f"{memory.settings.capacity:,}. Forget some first, or begin a new run with memory.init=PATH and a larger "
            "memory.capacity."
        )
    kept = files.free_name(run_of(folder) / f"memory-{folder.name}.json")
    store.write(kept, memory.stored())

    def fill(temporary: Path) -> None:
        shutil.copytree(folder, temporary, dirs_exist_ok=True, ignore=lambda *_: {MANIFEST})
        files.write_json(temporary / FILE, state)

    checkpoint_folder.save(folder, fill)
    return kept
