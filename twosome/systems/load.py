"""A policy from wherever it lies: a run, a checkpoint, a model folder, a hub name."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from twosome import files
from twosome.agents.llm_policy import LLMPolicy
from twosome.checkpoint_folder import MANIFEST, newest_good, verify
from twosome.config.compose import compose
from twosome.config.saved import saved_settings
from twosome.config.schema import TrainSettings
from twosome.errors import CheckpointError, ConfigError, ModelError, brief
from twosome.systems.build import build_policy

log = logging.getLogger(__name__)


class Loaded(NamedTuple):
    """A policy and the settings that it was trained with."""

    policy: LLMPolicy
    settings: TrainSettings


def load(path_or_name: str | Path, *, checkpoint: str = "newest", overrides: Sequence[str] = ()) -> LLMPolicy:
    """A policy from a run folder, a checkpoint folder, a model folder, a hub name, or `tiny`.

    A run or checkpoint brings its own settings, adapter and value head; a bare model gets a fresh adapter (which
    changes nothing until it is trained). `checkpoint`: of a run folder, `newest` or `best`. `overrides`: Hydra
    overrides such as `["model.device=cpu"]`. Raises `CheckpointError`, `ModelError` or `ConfigError` with the remedy.
    """
    return load_with_settings(path_or_name, checkpoint=checkpoint, overrides=overrides).policy


def load_with_settings(
    path_or_name: str | Path, *, checkpoint: str = "newest", overrides: Sequence[str] = ()
) -> Loaded:
    """The same, with the settings: of the run, or those that a bare model begins with."""
    path = Path(path_or_name).expanduser()
    if (path / "checkpoints").is_dir():
        path = checkpoint_of(path, checkpoint)
    if (path / MANIFEST).is_file():
        verify(path)
        cfg = saved_settings(path / "config.yaml", overrides)
        policy = build_policy(cfg)
        policy.load_weights(path)
        return Loaded(policy, cfg)
    if (path / "adapter_config.json").is_file() or (path / "adapter").is_dir():
        raise ModelError(
            f"{path} is not a whole checkpoint (no {MANIFEST}); give the folder checkpoints/step-... of a run."
        )
    is_tiny = str(path_or_name) == "tiny"
    model = ["model=tiny"] if is_tiny else ["model=hf", f"model.name='{path_or_name}'"]
    cfg = compose([*model, *overrides])
    return Loaded(build_policy(cfg), cfg)


def checkpoint_of(run_dir: Path, which: str) -> Path:
    """The folder of a run's `newest` or `best` checkpoint. Raises `CheckpointError`, `ConfigError`."""
    if which == "best":
        best = run_dir / "best.json"
        if not best.is_file():
            raise CheckpointError(
                f"{run_dir} names no best checkpoint yet (it had no evaluation). Use checkpoint='newest'."
            )
        found = files.read_json(best)
        name = found.get("checkpoint") if isinstance(found, dict) else None
        if not isinstance(name, str) or Path(name).name != name or "\0" in name or len(name) > 99:
            raise CheckpointError(f"{best} leads out of the run's folder ({brief(repr(name))}); refused.")
        folder = run_dir / "checkpoints" / name
        if not (folder / MANIFEST).is_file():
            raise CheckpointError(f"{best} names {brief(repr(name))}, which is no checkpoint. Use checkpoint='newest'.")
        return folder
    if which != "newest":
        raise ConfigError(f"Unknown checkpoint {which!r}. Known: newest, best.")
    newest, problems = newest_good(run_dir)
    if newest is None:
        raise CheckpointError(f"{run_dir} holds no usable checkpoint. {' '.join(problems.values())}".strip())
    for problem in problems.values():
        log.warning("Using %s instead of a newer, damaged one: %s", newest, problem)
    return newest


def initial_checkpoint(path_or_run: str) -> Path:
    """The checkpoint that `init=PATH` names, whole: of a run its newest. Raises `CheckpointError`."""
    path = Path(path_or_run).expanduser()
    if (path / "checkpoints").is_dir():
        path = checkpoint_of(path, "newest")
    if not (path / MANIFEST).is_file():
        raise CheckpointError(f"init={path_or_run} is neither a run folder nor a checkpoint (manifest.json) in one.")
    verify(path)
    return path
