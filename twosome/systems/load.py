"""A policy from wherever it lies: a run, a checkpoint, a model folder, a hub name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from twosome import files, tiny
from twosome.agents.llm_policy import LLMPolicy
from twosome.agents.recall_tally import Tally
from twosome.agents.remembering import Remembering
from twosome.checkpoint_folder import MANIFEST, verify
from twosome.config.compose import compose
from twosome.config.names import BASELINES, REMEMBERING, key_of, near
from twosome.config.python import as_texts, quoted
from twosome.config.saved import saved_settings
from twosome.config.schema import TrainSettings
from twosome.config.trust import must_be_trusted
from twosome.errors import CheckpointError, ConfigError, ModelError
from twosome.protocols import TrainedPolicy
from twosome.systems.build import build, build_policy, similarity_of
from twosome.systems.checkpoints import checkpoint_of
from twosome.systems.remembered import Memory


class Found(NamedTuple):
    """Where a policy lies: its settings, and the checkpoint that holds its weights, None for a bare model."""

    settings: TrainSettings
    folder: Path | None


class Loaded(NamedTuple):
    """A policy and the settings that it was trained with."""

    policy: TrainedPolicy
    settings: TrainSettings


def load(path_or_name: str | Path, *, checkpoint: str = "newest", overrides: Sequence[str] = ()) -> LLMPolicy:
    """A policy from a run folder, a checkpoint folder, a model folder, a hub name, `tiny` or `reader`.

    A run or checkpoint brings its own settings, adapter and value head; a bare model gets a fresh adapter (which
    changes nothing until it is trained). `checkpoint`: of a run folder, `newest` or `best`. `overrides`: Hydra
    overrides such as `["model.device=cpu"]`. Raises `CheckpointError`, `ModelError` or `ConfigError` with the remedy.
    """
    found = find(path_or_name, checkpoint=checkpoint, overrides=overrides)
    must_be_text(found.settings, str(path_or_name))
    policy = build_found(found)
    assert isinstance(policy, LLMPolicy)
    return policy


def load_with_settings(
    path_or_name: str | Path, *, checkpoint: str = "newest", overrides: Sequence[str] = ()
) -> Loaded:
    """The same with the settings: of the run, or those that a bare model begins with. Baselines are loaded too."""
    found = find(path_or_name, checkpoint=checkpoint, overrides=overrides)
    return Loaded(build_found(found), found.settings)


def find(path_or_name: str | Path, *, checkpoint: str = "newest", overrides: Sequence[str] = ()) -> Found:
    """Look at where a policy lies, without loading it: whether it is whole, and its settings. Raises as `load` does."""
    path, overrides = files.user_path(str(path_or_name), "checkpoint"), as_texts(overrides)
    if (path / "checkpoints").is_dir():
        path = checkpoint_of(path, checkpoint)
    if (path / MANIFEST).is_file():
        verify(path)
        cfg = saved_settings(path / "config.yaml", overrides)
        if cfg.method == "mlp":  # shaped by the environment, which is made for that
            must_be_trusted(cfg, overrides, path, runs_environment=True)
        return Found(cfg, path)
    if (path / "adapter_config.json").is_file() or (path / "adapter").is_dir():
        raise ModelError(
            f"{path} is not a whole checkpoint (no {MANIFEST}); give the folder checkpoints/step-... of a run."
        )
    is_embedded = str(path_or_name) in tiny.FOLDERS
    if not is_embedded:
        _must_be_a_model(path, str(path_or_name))
    model = [f"model={path_or_name}"] if is_embedded else ["model=hf", f"model.name={quoted(str(path_or_name))}"]
    of_model = [o for o in overrides if not key_of(o).startswith("memory.")]  # those are of the memory that is given
    return Found(compose([*model, *of_model]), None)


def _must_be_a_model(path: Path, name: str) -> None:
    """Refuse what is a mistyped run, or the folder of several, and would be looked for on the hub."""
    if path.is_dir():
        runs = sorted(folder.parent for folder in path.glob("*/checkpoints"))
        if runs and not (path / "config.json").is_file():
            newest = max(runs, key=lambda run: (run.stat().st_mtime, run.name))
            raise CheckpointError(f"{path} is a folder of {len(runs)} runs. Name one of them, the newest is {newest}.")
        return
    beside = sorted(folder.parent.name for folder in path.parent.glob("*/checkpoints")) if "/" in name else []
    if not path.exists() and (beside or _is_path(name)):
        raise ModelError(
            f"There is no {path}.{near(path.name, beside)} Expected a run folder, a checkpoint folder in one, a model "
            "folder, a hub name such as Qwen/Qwen3-0.6B-Base, tiny or reader."
        )


def _is_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name


def build_found(found: Found) -> TrainedPolicy:
    """The policy that `find` has found, with its weights."""
    cfg = found.settings
    is_baseline = cfg.method in BASELINES and found.folder is not None
    is_other = is_baseline or (cfg.method in REMEMBERING and found.folder is not None)
    policy = build(cfg, torch.Generator()).policy if is_other else build_policy(cfg)
    if found.folder is not None:
        policy.load_weights(found.folder)
    return policy


def advise(policy: TrainedPolicy, memory: Memory) -> None:
    """Let a memory that was found advise a policy, in the place of its own if it has one; it learns nothing there."""
    assert isinstance(policy, LLMPolicy)
    policy.remind(Remembering(memory.records, similarity_of(memory.settings, policy), memory.settings))
    policy.clear_cache()


def tally_of(policy: TrainedPolicy) -> Tally:
    """How often the memory that advises a policy was asked and knew something."""
    recall = policy.prompter.recall if isinstance(policy, LLMPolicy) else None
    return recall.tally if isinstance(recall, Remembering) else Tally()


def must_be_text(cfg: TrainSettings, source: str) -> None:
    """Refuse a baseline where a language model is asked for. Raises `ConfigError`."""
    if cfg.method in BASELINES:
        raise ConfigError(
            f"{source} is a run of method={cfg.method}, which reads numbers: there is no language model to look into. "
            "twosome-eval evaluates it."
        )
