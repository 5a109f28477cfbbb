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

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from twosome import disk
from twosome.types import CheckpointError

if TYPE_CHECKING:
    from twosome.policy import LLMPolicy
    from twosome.ppo import Learner

MANIFEST = "manifest.json"
FORMAT = 1
MOST_FILES = 256
LATER_PARTS = ("novelty",)  # of the training state, which older checkpoints lack
MISFITS = (KeyError, ValueError, RuntimeError, TypeError, AttributeError, IndexError, OverflowError)  # what ill-formed content raises


def save(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a folder, then put it in place in one step: it is there whole, or not at all.

    Raises `CheckpointError` when the disk is full, read-only or gone; what was there before is untouched.
    """
    from safetensors import SafetensorError

    temporary = folder.with_name(f".{folder.name}{disk.STAGED}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        write(temporary)
        paths = sorted(p for p in temporary.rglob("*") if p.is_file())
        names = {p.relative_to(temporary).as_posix(): {"size": p.stat().st_size, "sha256": disk.digest(p)} for p in paths}
        (temporary / MANIFEST).write_text(json.dumps({"format": FORMAT, "files": names}, indent=1), encoding="utf-8")
        for path in [*paths, temporary / MANIFEST, *(p for p in temporary.rglob("*") if p.is_dir()), temporary]:
            disk.sync(path)
        disk.put_in_place(temporary, folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise error if isinstance(error, CheckpointError) else disk.cannot_write(folder, error) from error


def verify(folder: Path) -> None:
    """Check a checkpoint against its manifest before anything in it is read. Raises `CheckpointError`."""
    if not folder.is_dir():
        raise CheckpointError(f"There is no checkpoint {folder}.")
    manifest = disk.read_json(folder / MANIFEST, disk.LARGEST_YAML)
    named = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(named, dict) or not named or len(named) > MOST_FILES or manifest.get("format") != FORMAT:
        raise CheckpointError(f"{folder / MANIFEST} is not a manifest of format {FORMAT}.")
    for name in named:
        if "\0" in name or "\\" in name or any(part in ("", ".", "..") for part in name.split("/")):
            raise CheckpointError(f"Checkpoint {folder} names {name!r}, which leads out of its folder; refused.")
    if odd := sorted(_present(folder) ^ named.keys())[:3]:
        raise CheckpointError(f"Checkpoint {folder} does not hold the files of its manifest; they differ in {', '.join(odd)}.")
    for name, expected in named.items():
        size = disk.regular_size(folder / name, disk.LARGEST_TENSORS)
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise CheckpointError(f"Checkpoint {folder} names {name!r}, which leads out of its folder; refused.")
        if not isinstance(expected, dict) or size != expected.get("size") or disk.digest(folder / name) != expected.get("sha256"):
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
        raise error if isinstance(error, CheckpointError) else CheckpointError(f"{folder} cannot be listed: {error}.") from error
    return found - {MANIFEST}


def checkpoints(run_dir: Path) -> list[Path]:
    """The checkpoint folders of a run, oldest first."""
    found = [p for p in (run_dir / "checkpoints").glob("step-*") if re.fullmatch(r"step-\d{1,18}", p.name)]
    return sorted(found, key=lambda p: int(p.name.removeprefix("step-")))


def newest_good(run_dir: Path) -> tuple[Path | None, dict[Path, str]]:
    """The newest checkpoint that is whole, and what is wrong with newer ones."""
    complaints = {}
    for folder in reversed(checkpoints(run_dir)):
        try:
            verify(folder)
        except CheckpointError as error:
            complaints[folder] = str(error)
        else:
            return folder, complaints
    return None, complaints


def keep_last(run_dir: Path, k: int, best: Path | None) -> None:
    """Remove all but the last `k` checkpoints and the best. Raises `CheckpointError`."""
    for folder in checkpoints(run_dir)[:-k]:
        if folder != best:
            try:
                disk.remove(folder)
            except OSError as error:
                raise CheckpointError(f"The old checkpoint {folder} cannot be removed: {error}. Mend its permissions.") from error


# What a training run is made of ------------------------------------------------------------------------------------------


def write_policy(folder: Path, policy: LLMPolicy, config: str) -> None:
    """What is needed to use the policy, for a language model its adapter in PEFT's format and the value head; the config."""
    for name, tensors in policy.tensors().items():
        disk.write_tensors(folder / f"{name}.safetensors", tensors)
    if hasattr(policy, "lm"):
        policy.lm.save_pretrained(str(folder / "adapter"), safe_serialization=True, save_embedding_layers=False)
    (folder / "config.yaml").write_text(config, encoding="utf-8")


def read_policy(folder: Path, policy: LLMPolicy) -> None:
    """Load what `write_policy` wrote into a policy of the same shape. Raises `CheckpointError` where it does not fit.

    Of the adapter's folder only the tensors are read: `adapter_config.json` decides nothing here.
    """
    loaded = {name: disk.read_tensors(folder / f"{name}.safetensors") for name in policy.tensors()}
    for name, tensors in loaded.items():
        _must_be_finite(folder / f"{name}.safetensors", tensors)
    try:
        policy.load_tensors(loaded)
    except (*MISFITS, RecursionError) as error:
        said = " ".join(str(error).split())
        raise CheckpointError(f"The tensors in {folder} do not fit the policy of its config.yaml: {said}") from error
    if hasattr(policy, "lm"):
        _read_adapter(folder / "adapter" / "adapter_model.safetensors", policy.lm)


def _read_adapter(path: Path, lm: Any) -> None:
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    adapter = disk.read_tensors(path)
    expected = get_peft_model_state_dict(lm, save_embedding_layers=False)
    odd = [k for k in adapter.keys() | expected.keys() if k not in adapter or k not in expected or adapter[k].shape != expected[k].shape]
    if odd:
        raise CheckpointError(
            f"The adapter {path} does not fit this model: {len(odd)} tensors are missing, unknown or of another shape, such as "
            f"{min(odd)}. Use the model.* settings of the config.yaml beside it."
        )
    _must_be_finite(path, adapter)
    set_peft_model_state_dict(lm, adapter)


def write_training(
    folder: Path, policy: LLMPolicy, learner: Learner, generators: dict[str, torch.Generator], parts: dict[str, Any]
) -> None:
    """Optimisers, random states, the critic's kept features; and the `state()` of the other parts, anything JSON can hold."""
    tensors: dict[str, torch.Tensor] = {}
    for name, optimizer in learner.optimizers.items():
        for index, entries in optimizer.state_dict()["state"].items():
            tensors |= {f"{name}.{index}.{key}": torch.as_tensor(value) for key, value in entries.items()}
    tensors |= {f"generator.{name}": generator.get_state() for name, generator in generators.items()}
    tensors["generator.global"] = torch.get_rng_state()
    if policy.device.type == "cuda":
        tensors["generator.cuda"] = torch.cuda.get_rng_state(policy.device)
    features = policy.feature_cache()
    if features:
        tensors["features"] = torch.stack(list(features.values()))
    disk.write_tensors(folder / "training.safetensors", tensors)
    counters = {"updates": learner.updates, "bad_updates": learner.bad_updates, "token_budget": policy.token_budget}
    everything = {
        "counters": counters,
        "probes": _probes(policy),
        "prompts": list(features),
        "run": {name: part.state() for name, part in parts.items()},
    }
    (folder / "state.json").write_text(json.dumps(everything), encoding="utf-8")


def read_training(
    folder: Path, policy: LLMPolicy, learner: Learner, generators: dict[str, torch.Generator], parts: dict[str, Any]
) -> None:
    """The inverse of `write_training`. Raises `CheckpointError`; `EnvironmentFault` where a world cannot be brought back."""
    tensors = disk.read_tensors(folder / "training.safetensors")
    saved = disk.read_json(folder / "state.json")
    try:
        for name, optimizer in learner.optimizers.items():
            _restore_optimizer(optimizer, name, tensors)
        for name, generator in generators.items():
            generator.set_state(tensors[f"generator.{name}"])
        for name, count in saved["counters"].items():
            if type(count) is not int or count < 0:
                raise ValueError(f"counter {name} is {count!r}")
        learner.updates, learner.bad_updates = saved["counters"]["updates"], saved["counters"]["bad_updates"]
        policy.token_budget = saved["counters"]["token_budget"]
        _restore_features(policy, saved["prompts"], tensors.get("features"))
        _restore_probes(policy, saved["probes"])
        for name, part in parts.items():
            if name in saved["run"] or name not in LATER_PARTS:
                part.restore(saved["run"][name])
        torch.set_rng_state(tensors["generator.global"])
        if policy.device.type == "cuda" and "generator.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["generator.cuda"], policy.device)
    except CheckpointError:
        raise
    except MISFITS as error:
        from twosome.types import TwosomeError

        if isinstance(error, TwosomeError):
            raise
        said = " ".join(str(error).split())
        raise CheckpointError(f"The training state in {folder} cannot be used: {type(error).__name__}: {said}.") from error


def _probes(policy: LLMPolicy) -> dict[str, Any]:
    """Which scorer the load-time probe chose: a resumed run must not choose another because it probes other prompts."""
    choice = getattr(policy, "_choice", None)
    found = {name: getattr(choice, name, None) for name in ("inside", "beyond")}
    return {"device": policy.device.type} | {name: p and p._asdict() for name, p in found.items()}


def _restore_probes(policy: LLMPolicy, saved: dict[str, Any]) -> None:
    choice = getattr(policy, "_choice", None)
    if choice is None or saved["device"] != policy.device.type:  # on another device it is probed anew
        return
    from twosome.scorers import SCORERS, Probe

    for name in ("inside", "beyond"):
        if saved[name] is not None and saved[name]["scorer"] in SCORERS:
            setattr(choice, name, Probe(**saved[name]))


def _restore_optimizer(optimizer: torch.optim.Optimizer, name: str, tensors: dict[str, torch.Tensor]) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    entries: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        owner, *rest = key.split(".", 2)
        if owner != name:
            continue
        index, entry = int(rest[0]), rest[1]
        if value.shape not in (torch.Size(), parameters[index].shape) or not torch.isfinite(value).all():
            raise ValueError(f"{key} has shape {tuple(value.shape)} or numbers that are not finite")
        entries.setdefault(index, {})[entry] = value
    if any(entry.keys() != {"step", "exp_avg", "exp_avg_sq"} for entry in entries.values()):
        raise ValueError(f"the state of the optimiser {name!r} is not that of AdamW")
    optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})


def _restore_features(policy: LLMPolicy, prompts: list[str], features: torch.Tensor | None) -> None:
    cache = policy.feature_cache()
    cache.clear()
    if features is None and not prompts:
        return
    if features is None:
        raise ValueError(f"no features for {len(prompts)} prompts")
    with torch.no_grad():
        policy.value_head(features[:1].to(policy.device))  # raises where they have another width
    for prompt, feature in zip(prompts, features, strict=True):
        cache[str(prompt)] = feature.to(policy.device)


def _must_be_finite(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path} holds numbers that are not finite, in {name}; refused.")
