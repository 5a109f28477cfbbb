"""A policy from wherever it lies: a run, a checkpoint, a model folder, a hub name."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from twosome import files, tiny
from twosome.agents.llm_policy import LLMPolicy
from twosome.checkpoint_folder import MANIFEST, newest_good, verify
from twosome.config.compose import compose
from twosome.config.names import near
from twosome.config.python import as_texts, quoted
from twosome.config.saved import saved_settings
from twosome.config.schema import TrainSettings
from twosome.config.trust import must_be_trusted
from twosome.errors import INVALID_CONTENT, CheckpointError, ConfigError, ModelError, brief, counter, number
from twosome.protocols import TrainedPolicy
from twosome.systems.build import REMEMBERING, build, build_policy

log = logging.getLogger(__name__)

NEWEST = "Use which=newest (from Python checkpoint='newest')."
BASELINES = ("mlp", "tabular")  # methods without a language model


class Found(NamedTuple):
    """Where a policy lies: its settings, and the checkpoint that holds its weights, None for a bare model."""

    settings: TrainSettings
    folder: Path | None


class Loaded(NamedTuple):
    """A policy and the settings that it was trained with."""

    policy: TrainedPolicy
    settings: TrainSettings


def load(path_or_name: str | Path, *, checkpoint: str = "newest", overrides: Sequence[str] = ()) -> LLMPolicy:
    """A policy from a run folder, a checkpoint folder, a model folder, a hub name, or `tiny`.

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
    return Found(compose([*model, *overrides]), None)


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
            "folder, a hub name such as Qwen/Qwen3-0.6B-Base, or tiny."
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


def must_be_text(cfg: TrainSettings, source: str) -> None:
    """Refuse a baseline where a language model is asked for. Raises `ConfigError`."""
    if cfg.method in BASELINES:
        raise ConfigError(
            f"{source} is a run of method={cfg.method}, which reads numbers: there is no language model to look into. "
            "twosome-eval evaluates it."
        )


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
