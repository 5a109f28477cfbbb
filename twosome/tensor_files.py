"""Tensors in safetensors files: their names and shapes are looked at before a byte of them is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from twosome import files
from twosome.errors import CheckpointError, brief

if TYPE_CHECKING:
    import torch

Shape = tuple[int, ...]
BITS = {"F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16, "U16": 16}


class Entry(NamedTuple):
    """What the head of a file says of a tensor."""

    shape: Shape
    size: int  # bytes


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Tensors as safetensors, inside a folder that is put in place as a whole. Raises `CheckpointError`."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, str(path))
    except (OSError, SafetensorError) as error:
        raise files.cannot_write(path, error) from error


def head(path: Path) -> dict[str, Entry]:
    """Shape and size of every tensor of a safetensors file; none of them is read. Raises `CheckpointError`."""
    from safetensors import SafetensorError, safe_open

    files.regular_size(path, files.LARGEST_TENSORS)
    try:
        with safe_open(str(path), "pt") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
            return {name: _entry(tuple(part.get_shape()), part.get_dtype()) for name, part in parts.items()}
    except (OSError, SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {brief(error)}.") from error


def _entry(shape: Shape, dtype: str) -> Entry:
    return Entry(shape, math.prod(shape) * BITS.get(dtype, 128 if dtype.startswith("C") else 8) // 8)


def read_tensors(path: Path, expected: Mapping[str, Sequence[int]] | None = None) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file. Raises `CheckpointError`.

    `expected`: the shape of every tensor; a file with others is refused before they are read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    found = head(path)
    if expected is not None:
        _must_fit(path, {name: entry.shape for name, entry in found.items()}, expected)
    try:
        return load_file(str(path))
    except (OSError, SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {brief(error)}.") from error


def _must_fit(path: Path, found: Mapping[str, Shape], expected: Mapping[str, Sequence[int]]) -> None:
    wanted = {name: tuple(shape) for name, shape in expected.items()}
    if odd := sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)):
        raise CheckpointError(
            f"{path} does not fit this model: {len(odd)} tensors are missing, unknown or of another shape, such as "
            f"{brief(odd[0])}. Use the settings of the config.yaml beside it."
        )


def read_finite_tensors(path: Path, expected: Mapping[str, Sequence[int]] | None = None) -> dict[str, torch.Tensor]:
    """The same, all of them finite. Raises `CheckpointError`."""
    tensors = read_tensors(path, expected)
    for name, tensor in tensors.items():
        real = tensor.float() if tensor.is_floating_point() and tensor.element_size() == 1 else tensor  # of 8 bits
        if real.is_complex() or not real.isfinite().all():
            raise CheckpointError(f"{path} holds numbers that are not finite, in {brief(repr(name))}; refused.")
    return tensors
