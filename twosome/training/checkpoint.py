"""A checkpoint of a run: everything needed to go on bit for bit.

    checkpoints/step-00012800/   adapter/                   in PEFT's own format
                                 value_head.safetensors
                                 training.safetensors       the tensors of every part's state
                                 state.json                 the rest of it; a tensor is named there by {"$tensor": name}
                                 config.yaml
                                 manifest.json              size and SHA-256 of every file, written last
No pickle anywhere: safetensors and JSON only, so that opening a stranger's checkpoint runs none of their code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from twosome import checkpoint_folder, files
from twosome.config.saved import to_yaml
from twosome.config.schema import TrainSettings
from twosome.errors import INVALID_CONTENT, CheckpointError, TwosomeError, brief
from twosome.protocols import Saved, StateDict, TrainedPolicy
from twosome.training.checkpoint_format_1 import state_of_format_1

TENSORS, STATE = "training.safetensors", "state.json"
REFERENCE = "$tensor"


class RandomStates:
    """The state of every source of randomness: the run's own generators, and torch's global ones."""

    def __init__(self, generators: Mapping[str, torch.Generator]):
        self.generators = generators

    def state_dict(self) -> StateDict:
        """One tensor of bytes per source."""
        state: StateDict = {name: generator.get_state() for name, generator in self.generators.items()}
        state["global"] = torch.get_rng_state()
        if torch.cuda.is_available():
            state["cuda"] = torch.cuda.get_rng_state()
        return state

    def load_state_dict(self, state: StateDict) -> None:
        """The inverse of `state_dict`."""
        for name, generator in self.generators.items():
            generator.set_state(state[name])
        torch.set_rng_state(state["global"])
        if torch.cuda.is_available() and "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"])


def write(folder: Path, policy: TrainedPolicy, parts: Mapping[str, Saved], cfg: TrainSettings) -> None:
    """Write a checkpoint whole, or not at all. Raises `CheckpointError`."""

    def fill(temporary: Path) -> None:
        policy.save_weights(temporary)
        (temporary / "config.yaml").write_text(to_yaml(cfg), encoding="utf-8")
        tensors: dict[str, torch.Tensor] = {}
        state = {name: _without_tensors(part.state_dict(), name, tensors) for name, part in parts.items()}
        files.write_tensors(temporary / TENSORS, tensors)
        (temporary / STATE).write_text(json.dumps(state), encoding="utf-8")

    checkpoint_folder.save(folder, fill)


def read(folder: Path, policy: TrainedPolicy, parts: Mapping[str, Saved]) -> None:
    """The inverse of `write`, part by part in the order given.

    Raises `CheckpointError`; `EnvironmentFault` where a world cannot be brought back.
    """
    policy.load_weights(folder)
    tensors = files.read_tensors(folder / TENSORS)
    state = files.read_json(folder / STATE)
    try:
        if checkpoint_folder.format_of(folder) == 1:
            state = state_of_format_1(state, tensors, parts)
        else:
            state = {name: _with_tensors(state[name], tensors) for name in parts}
        for name, part in parts.items():
            part.load_state_dict(state[name])
    except TwosomeError:
        raise
    except INVALID_CONTENT as error:
        said = f"{type(error).__name__}: {brief(error)}"
        raise CheckpointError(f"The training state in {folder} cannot be used: {said}.") from error


def _without_tensors(node: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """The same nest with its tensors moved to `tensors`, by their path. A key that begins with `$` gets another one."""
    if isinstance(node, torch.Tensor):
        assert name not in tensors, name
        tensors[name] = node
        return {REFERENCE: name}
    if isinstance(node, dict):
        keys = {key: f"${key}" if str(key).startswith("$") else key for key in node}
        return {keys[key]: _without_tensors(value, f"{name}.{key}", tensors) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_without_tensors(value, f"{name}.{k}", tensors) for k, value in enumerate(node)]
    return node


def _with_tensors(node: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """The inverse of `_without_tensors`. Every tensor is taken once, so that no two parts hold the same memory."""
    if isinstance(node, dict):
        if node.keys() == {REFERENCE}:
            return tensors.pop(node[REFERENCE])
        return {key.removeprefix("$"): _with_tensors(value, tensors) for key, value in node.items()}
    if isinstance(node, list):
        return [_with_tensors(value, tensors) for value in node]
    return node
