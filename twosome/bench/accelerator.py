"""What is particular to a GPU: a memory limit, its peak speed, and the footprint estimated beside the measured peak."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from twosome.bench.models import SHAPES
from twosome.config.schema import TrainSettings
from twosome.lm.footprint import footprint
from twosome.types import LanguageModel

# Dense bfloat16, without sparsity, from the makers' data sheets. TFLOPs.
PEAK_TFLOPS = {
    "H200": 989,
    "H100": 989,
    "B200": 2250,
    "A100": 312,
    "L40S": 362,
    "L4": 121,
    "A10": 125,
    "4090": 165,
    "3090": 71,
}


@contextmanager
def memory_limit(gib: float | None, device: str) -> Iterator[None]:
    """Pretend that the accelerator has only so much memory."""
    if gib is None or not device.startswith("cuda"):
        yield
        return
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, gib * 2**30 / total))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def held(device: str) -> int | None:
    """Bytes that the weights hold on the accelerator; None elsewhere."""
    return torch.cuda.memory_allocated() if device.startswith("cuda") else None


def peak_tflops(device: str) -> float | None:
    """The most the accelerator can do in bfloat16, by its name; None where it is not known."""
    if not device.startswith("cuda"):
        return None
    name = torch.cuda.get_device_properties(0).name
    return next((float(t) for known, t in PEAK_TFLOPS.items() if known in name), None)


def plan(cfg: TrainSettings, lm: LanguageModel) -> dict[str, Any] | None:
    """What `lm.footprint` estimates that training this model needs, in bytes, in all and by part."""
    with tempfile.TemporaryDirectory() as folder:
        if cfg.model.name in SHAPES:
            lm.config.save_pretrained(folder)
            (Path(folder) / "model.safetensors").touch()  # a model's folder must have one; an estimate never opens it
            cfg = dataclasses.replace(cfg, model=dataclasses.replace(cfg.model, name=folder))
        made = footprint(cfg)
    return {"bytes": made.need, "parts": made.parts} if made else None
