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

from twosome import checkpoint_folder, files, tensor_files
from twosome.config.saved import to_yaml
from twosome.config.schema import TrainSettings
from twosome.errors import INVALID_CONTENT, CheckpointError, TwosomeError, brief, counter
from twosome.protocols import Saved, StateDict, TrainedPolicy
from twosome.training.checkpoint_format_1 import state_of_format_1

TENSORS, STATE = "training.safetensors", "state.json"
REFERENCE, TEXT = "$tensor", "$text"
BYTES, LENGTHS = "$texts", "$lengths"  # tensors: the long texts as UTF-8, one after the other, and their bytes
FEATURES = {1: "features", 2: "policy.features"}  # by format: the tensor with the critic's features
WIDEST = 2**20  # bytes of a feature; the widest models have some 2**17
LARGEST_TEXTS = 4 * 2**30  # bytes of all long texts
SPARE = 64 * 2**20  # bytes beside the optimisers: random states and the like
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
        if 4 * sum(map(len, moved.texts)) > LARGEST_TEXTS:
            raise CheckpointError(
                f"The long texts of {folder} come to more than {LARGEST_TEXTS} bytes, which would not be read again; "
                "nothing is written. Lower policy.reuse_capacity."
            )
        tensor_files.write_tensors(temporary / TENSORS, moved.all_tensors())
        (temporary / STATE).write_text(json.dumps(state), encoding="utf-8")

    checkpoint_folder.save(folder, fill)


def read(folder: Path, policy: TrainedPolicy, parts: Mapping[str, Saved]) -> None:
    """The inverse of `write`, part by part in the order given.

    Raises `CheckpointError`; `EnvironmentFault` where a world cannot be brought back.
    """
    policy.load_weights(folder)
    state = files.read_json(folder / STATE)
    try:
        _must_be_bounded(folder, state)
        tensors = tensor_files.read_tensors(folder / TENSORS)
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


def _must_be_bounded(folder: Path, state: Any) -> None:
    """Refuse training tensors that are more than this policy and these texts come to, before they are read.

    The optimisers keep twice the weights, which were checked before; the critic's features are a row per text. Raises
    `CheckpointError`, or one of `INVALID_CONTENT`.
    """
    found = tensor_files.head(folder / TENSORS)
    texts = state["policy"].get("states", []) if "policy" in state else state.get("prompts", [])
    features = found.pop(FEATURES[checkpoint_folder.format_of(folder)], None)
    is_wide = features is not None and (features.shape[:1] != (len(texts),) or features.size > WIDEST * len(texts))
    words = sum(found.pop(name).size for name in (BYTES, LENGTHS) if name in found)
    weights = sum(path.stat().st_size for path in folder.rglob("*.safetensors") if path.name != TENSORS)
    if is_wide or words > LARGEST_TEXTS or sum(entry.size for entry in found.values()) > 4 * weights + SPARE:
        raise CheckpointError(f"{folder / TENSORS} holds more than the training of this policy does; refused unread.")


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
