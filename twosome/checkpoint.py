"""A checkpoint on disk: everything needed to go on bit for bit, written whole or not at all, trusted only if it is whole.

    checkpoints/step-00012800/   adapter/                   in PEFT's own format
                                 value_head.safetensors
                                 training.safetensors       both optimisers, random states, the critic's kept features
                                 state.json                 counters, worlds, statistics, best so far
                                 config.yaml
                                 manifest.json              size and SHA-256 of every file, written last
No pickle anywhere: safetensors and JSON only, so that opening a stranger's checkpoint runs none of their code.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from twosome.types import CheckpointError

if TYPE_CHECKING:
    from twosome.policy import LLMPolicy
    from twosome.ppo import Learner

MANIFEST = "manifest.json"
FORMAT = 1
LARGEST_JSON = 256 * 2**20  # bytes; a checkpoint's JSON beyond this is refused unread


def save(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a folder, then put it in place in one step: it is there whole, or not at all.

    Raises `CheckpointError` when the disk is full or read-only; what was there before is untouched.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        write(temporary)
        files = sorted(p for p in temporary.rglob("*") if p.is_file())
        manifest = {
            "format": FORMAT,
            "files": {str(p.relative_to(temporary)): {"size": p.stat().st_size, "sha256": _digest(p)} for p in files},
        }
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        for path in [*files, temporary / MANIFEST, temporary]:
            _sync(path)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
        _sync(folder.parent)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise CheckpointError(
            f"The checkpoint {folder} cannot be written: {error}. Free space or mend the permissions, then run the same command "
            "again: the run continues from its last good checkpoint."
        ) from error


def verify(folder: Path) -> dict[str, Any]:
    """Check a checkpoint against its manifest before anything in it is read. Raises `CheckpointError`."""
    if not folder.is_dir():
        raise CheckpointError(f"There is no checkpoint {folder}.")
    manifest = read_json(folder / MANIFEST)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if manifest.get("format") != FORMAT or not isinstance(files, dict) or not files:
        raise CheckpointError(f"{folder / MANIFEST} is not a manifest of format {FORMAT}.")
    present = {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()} - {MANIFEST}
    if present != set(files):
        odd = sorted(present ^ set(files))[:3]
        raise CheckpointError(f"Checkpoint {folder} does not hold the files of its manifest; they differ in {', '.join(odd)}.")
    for name, expected in files.items():
        path = folder / name
        if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
            raise CheckpointError(f"Checkpoint {folder} names {name!r}, which leads out of its folder; refused.")
        if not isinstance(expected, dict) or path.stat().st_size != expected.get("size") or _digest(path) != expected.get("sha256"):
            raise CheckpointError(f"{path} is damaged: its size or SHA-256 is not that of the manifest.")
    return manifest


def read_json(path: Path) -> Any:
    """A JSON file of bounded size. Raises `CheckpointError`."""
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise CheckpointError(f"{path} is larger than {LARGEST_JSON} bytes; refused.")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} cannot be read: {error}.") from error


def checkpoints(run_dir: Path) -> list[Path]:
    """The checkpoint folders of a run, oldest first."""
    return sorted((run_dir / "checkpoints").glob("step-*"))


def newest_good(run_dir: Path) -> tuple[Path | None, list[str]]:
    """The newest checkpoint that is whole, and what is wrong with newer ones."""
    complaints = []
    for folder in reversed(checkpoints(run_dir)):
        try:
            verify(folder)
        except CheckpointError as error:
            complaints.append(str(error))
        else:
            return folder, complaints
    return None, complaints


def keep_last(run_dir: Path, k: int, best: Path | None) -> None:
    """Remove all but the last `k` checkpoints and the best."""
    for folder in checkpoints(run_dir)[:-k]:
        if folder != best:
            shutil.rmtree(folder)


# What a training run is made of ------------------------------------------------------------------------------------------


def write_policy(folder: Path, policy: LLMPolicy, config: str) -> None:
    """What is needed to use the policy, for a language model its adapter in PEFT's format and the value head; the config."""
    for name, tensors in policy.tensors().items():
        save_tensors(tensors, folder / f"{name}.safetensors")
    if hasattr(policy, "lm"):
        policy.lm.save_pretrained(str(folder / "adapter"), safe_serialization=True, save_embedding_layers=False)
    (folder / "config.yaml").write_text(config, encoding="utf-8")


def read_policy(folder: Path, policy: LLMPolicy) -> None:
    """Load what `write_policy` wrote into a policy of the same shape. Raises `CheckpointError` where it does not fit."""
    try:
        policy.load_tensors({name: load_tensors(folder / f"{name}.safetensors") for name in policy.tensors()})
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(f"The tensors in {folder} do not fit the policy of its config.yaml: {error}") from error
    if not hasattr(policy, "lm"):
        return
    from peft import set_peft_model_state_dict

    adapter = load_tensors(folder / "adapter" / "adapter_model.safetensors")
    result = set_peft_model_state_dict(policy.lm, adapter)
    missing = [k for k in result.missing_keys if "lora_" in k]
    if missing or result.unexpected_keys:
        raise CheckpointError(
            f"The adapter in {folder} does not fit this model: {len(missing)} tensors missing, {len(result.unexpected_keys)} "
            "unknown. Use the model.* settings of the config.yaml beside it."
        )


def write_training(folder: Path, policy: LLMPolicy, learner: Learner, generators: dict[str, torch.Generator], state: Any) -> None:
    """Optimisers, random states, the critic's kept features; and `state`, anything JSON can hold."""
    tensors: dict[str, torch.Tensor] = {}
    for name, optimizer in learner.optimizers.items():
        for index, entries in optimizer.state_dict()["state"].items():
            tensors |= {f"{name}.{index}.{key}": torch.as_tensor(value) for key, value in entries.items()}
    tensors |= {f"generator.{name}": generator.get_state() for name, generator in generators.items()}
    tensors["generator.global"] = torch.get_rng_state()
    features = policy.feature_cache()
    if features:
        tensors["features"] = torch.stack(list(features.values()))
    save_tensors(tensors, folder / "training.safetensors")
    counters = {"updates": learner.updates, "bad_updates": learner.bad_updates, "token_budget": policy.token_budget}
    everything = {"counters": counters, "prompts": list(features), "run": state}
    (folder / "state.json").write_text(json.dumps(everything), encoding="utf-8")


def read_training(folder: Path, policy: LLMPolicy, learner: Learner, generators: dict[str, torch.Generator]) -> Any:
    """The inverse of `write_training`; returns `state`. Raises `CheckpointError`."""
    tensors = load_tensors(folder / "training.safetensors")
    saved = read_json(folder / "state.json")
    try:
        for name, optimizer in learner.optimizers.items():
            entries: dict[int, dict[str, torch.Tensor]] = {}
            for key, value in tensors.items():
                owner, *rest = key.split(".", 2)
                if owner == name:
                    entries.setdefault(int(rest[0]), {})[rest[1]] = value
            optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
        for name, generator in generators.items():
            generator.set_state(tensors[f"generator.{name}"])
        torch.set_rng_state(tensors["generator.global"])
        cache = policy.feature_cache()
        cache.clear()
        for prompt, feature in zip(saved["prompts"], tensors.get("features", ()), strict=True):
            cache[prompt] = feature.to(policy.device)
        learner.updates = saved["counters"]["updates"]
        learner.bad_updates = saved["counters"]["bad_updates"]
        policy.token_budget = saved["counters"]["token_budget"]
    except (KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        raise CheckpointError(f"The training state in {folder} cannot be used: {type(error).__name__}: {error}.") from error
    return saved["run"]


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file. Raises `CheckpointError`."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(str(path))
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {error}.") from error


def save_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    from safetensors.torch import save_file

    save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, str(path))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
