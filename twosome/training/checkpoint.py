"""A checkpoint of a run: everything needed to go on bit for bit.

    checkpoints/step-00012800/   adapter/                   in PEFT's own format
                                 value_head.safetensors
                                 training.safetensors       the tensors of every part's state
                                 state.json                 the rest; a tensor is named there by {"$tensor": name}, a
                                                            long text by {"$text": number}
                                 config.yaml
                                 manifest.json              size and SHA-256 of every file, written last
No pickle anywhere: safetensors and JSON only, so that opening a stranger's checkpoint runs none of their code.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from twosome import checkpoint_folder, files
from twosome.config.saved import to_yaml
from twosome.config.schema import TrainSettings
from twosome.errors import INVALID_CONTENT, CheckpointError, TwosomeError, brief, counter
from twosome.protocols import Saved, StateDict, TrainedPolicy
from twosome.training.checkpoint_format_1 import state_of_format_1

TENSORS, STATE = "training.safetensors", "state.json"
REFERENCE, TEXT = "$tensor", "$text"
BYTES, LENGTHS = "$texts", "$lengths"  # tensors: the long texts as UTF-8, one after the other, and their bytes
LONG = 2000  # characters of a text that is kept with the tensors: thousands would not fit into a JSON file


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
        moved = Moved()
        state = {name: moved.without(part.state_dict(), name) for name, part in parts.items()}
        files.write_tensors(temporary / TENSORS, moved.all_tensors())
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
            texts = _texts(tensors)
            state = {name: _with_moved(state[name], tensors, texts) for name in parts}
        for name, part in parts.items():
            part.load_state_dict(state[name])
    except TwosomeError:
        raise
    except INVALID_CONTENT as error:
        said = f"{type(error).__name__}: {brief(error)}"
        raise CheckpointError(f"The training state in {folder} cannot be used: {said}.") from error


class Moved:
    """What a nest holds that JSON does not, or not well: its tensors by their path, its long texts by their number."""

    def __init__(self) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self.texts: dict[str, int] = {}

    def without(self, node: Any, name: str) -> Any:
        """The same nest with references in their places. A key that begins with `$` gets another one."""
        if isinstance(node, torch.Tensor):
            assert name not in self.tensors, name
            self.tensors[name] = node
            return {REFERENCE: name}
        if isinstance(node, str) and len(node) > LONG:
            return {TEXT: self.texts.setdefault(node, len(self.texts))}
        if isinstance(node, dict):
            keys = {key: f"${key}" if str(key).startswith("$") else key for key in node}
            return {keys[key]: self.without(value, f"{name}.{key}") for key, value in node.items()}
        if isinstance(node, (list, tuple)):
            return [self.without(value, f"{name}.{k}") for k, value in enumerate(node)]
        return node

    def all_tensors(self) -> dict[str, torch.Tensor]:
        """The tensors, and two more where there are long texts."""
        if not self.texts:
            return self.tensors
        data = [text.encode("utf-8", "surrogatepass") for text in self.texts]
        joined = torch.frombuffer(bytearray(b"".join(data)), dtype=torch.uint8)
        return {**self.tensors, BYTES: joined, LENGTHS: torch.tensor([len(text) for text in data])}


def _texts(tensors: dict[str, torch.Tensor]) -> list[str]:
    """The long texts, which are taken from `tensors`. Raises `ValueError` where they cannot be that."""
    if BYTES not in tensors:
        return []
    data, lengths = tensors.pop(BYTES).numpy().tobytes(), tensors.pop(LENGTHS).tolist()
    ends = list(itertools.accumulate(lengths))
    if min(lengths) < 0 or ends[-1] != len(data):
        raise ValueError(f"the lengths of {len(lengths)} texts come to {ends[-1]}, not to {len(data)} bytes")
    return [data[end - n : end].decode("utf-8", "surrogatepass") for n, end in zip(lengths, ends, strict=True)]


def _with_moved(node: Any, tensors: dict[str, torch.Tensor], texts: list[str]) -> Any:
    """The inverse of `Moved.without`. Every tensor is taken once, so that no two parts hold the same memory."""
    if isinstance(node, dict):
        if node.keys() == {REFERENCE}:
            return tensors.pop(node[REFERENCE])
        if node.keys() == {TEXT}:
            return texts[counter(node[TEXT], "the number of a text")]
        return {key.removeprefix("$"): _with_moved(value, tensors, texts) for key, value in node.items()}
    if isinstance(node, list):
        return [_with_moved(value, tensors, texts) for value in node]
    return node
