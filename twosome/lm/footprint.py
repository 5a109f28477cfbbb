"""What a training run will need in memory, estimated before anything is loaded, against what the device has.

    weights      every parameter at its precision (bitsandbytes quantises the linear layers but not the LM head)
    adapter      LoRA in float32: values, gradients, the two moments of AdamW, and the copy that notices a change: 20 B
    activations  what one pass of `policy.token_budget` tokens keeps for its backward pass: per token and layer the
                 outputs of the linear layers, the states that norms and adapters read, the attention's inputs; with
                 gradient checkpointing one state per layer and one layer's whole
    LM head      logits in the model's precision and in float32, and their gradients, where a token is predicted
    caches       the critic's features, the encoded menus, the distributions of a policy version
    libraries    on a CPU the interpreter and torch themselves; on a GPU its context

An estimate, from the model's config.json alone: `tests/lm/test_footprint.py` holds it against measured peaks.
"""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from twosome.config.names import ACTION_VALUES, BASELINES
from twosome.config.schema import ModelSettings, TrainSettings
from twosome.errors import ConfigError
from twosome.types import LanguageModel

GIB = 2**30
DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
QUANTIZED_BYTES = {"int8": 1.01, "nf4": 0.52}  # per weight, scales included
ADAPTER_BYTES = 20
HEAD_BYTES = 16  # of the value head: values, gradients, two moments
PREDICTING = 0.5  # share of the fed tokens that predict one; .2 to .5 in the environments here
ROW_TOKENS = 128  # of a menu in a row, with what menus of a row share counted once: bounds the attention mask
LIBRARIES = {"cpu": int(0.5 * GIB), "cuda": int(0.6 * GIB), "mps": int(0.3 * GIB)}
SLACK = 1.25  # of the passes: what an allocator holds beyond what is asked of it, and what this estimate leaves out
SMALL = 0.5  # of the device: a plan below it is one line


@dataclass(frozen=True)
class Footprint:
    """Bytes by part, the bytes free on the device, and what was planned for."""

    parts: dict[str, int]
    free: int
    device: str
    model: str

    @property
    def need(self) -> int:
        return sum(self.parts.values())

    @property
    def fits(self) -> bool:
        return self.need <= self.free

    def line(self) -> str:
        """The plan in one line."""
        largest = sorted(self.parts.items(), key=lambda part: -part[1])[:3]
        return (
            f"Memory: about {size(self.need)} of {size(self.free)} free on {self.device} "
            f"({', '.join(f'{name} {size(n)}' for name, n in largest)})"
        )

    def table(self) -> str:
        """The plan part by part."""
        rows = [*self.parts.items(), ("in all, about", self.need), (f"free on {self.device}", self.free)]
        width = max(len(name) for name, _ in rows)
        lines = [
            f"Memory plan for {self.model} on {self.device}",
            *(f"  {n:<{width}}  {size(b):>9}" for n, b in rows),
        ]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.line() if self.need <= SMALL * self.free else self.table()


def footprint(cfg: TrainSettings) -> Footprint | None:
    """What a run of these settings needs; None for a method without a language model. Loads no weights.

    Raises `ModelError` where there is no such model, `ConfigError` where the adapter's targets do not fit it.
    """
    from twosome.lm.loading import choose_device

    if cfg.method in BASELINES:
        return None
    lm = _skeleton(cfg.model)
    device = choose_device(cfg.model.device)
    passes = _passes(lm, cfg, device.type)
    parts = _weights(lm, cfg.model) | passes | _caches(lm, cfg)
    slack = int((SLACK - 1) * sum(passes.values()))
    parts |= {
        "libraries" if device.type == "cpu" else "device context": LIBRARIES.get(device.type, 0),
        "slack": slack,
    }
    kind = cfg.model.dtype if cfg.model.quantization == "none" else f"{cfg.model.quantization}, {cfg.model.dtype}"
    return Footprint(parts, free_bytes(device), str(device), f"{cfg.model.name} ({kind})")


def must_fit(cfg: TrainSettings) -> Footprint | None:
    """The footprint, or `ConfigError` with settings that would fit where these cannot."""
    made = footprint(cfg)
    if made is None or made.fits:
        return made
    raise ConfigError(f"{made.table()}\n{verdict(cfg, made)}")


def verdict(cfg: TrainSettings, made: Footprint) -> str:
    """Whether a run fits, and what would where it does not."""
    if made.fits:
        return f"This fits: about {made.need / made.free:.0%} of what is free."
    remedies = _remedies(cfg)
    advice = (
        f"What would fit: {' | '.join(remedies)}." if remedies else "Nothing here makes it fit; take a smaller model."
    )
    return f"This cannot fit. {advice}"


def free_bytes(device: torch.device) -> int:
    """Bytes that may still be taken: free memory of an accelerator, else available RAM under the container's limit."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return int(min(free, torch.cuda.get_per_process_memory_fraction(device) * total))
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    import psutil  # comes with accelerate

    return min(psutil.virtual_memory().available + psutil.Process().memory_info().rss, _container_limit())


def size(n: float) -> str:
    """Bytes for a reader.

    >>> size(2**30 * 3 // 2), size(5 * 2**20)
    ('1.5 GiB', '5 MiB')
    """
    return f"{n / GIB:.1f} GiB" if n >= 0.1 * GIB else f"{n / 2**20:.0f} MiB"


def _skeleton(settings: ModelSettings) -> LanguageModel:
    """The model with its adapter, all shapes and no values."""
    import logging

    from accelerate import init_empty_weights
    from transformers import AutoModelForCausalLM

    from twosome.lm.adapter import add_adapter
    from twosome.lm.loading import read_config

    config = read_config(settings)
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    with init_empty_weights(include_buffers=False):
        lm = AutoModelForCausalLM.from_config(config, trust_remote_code=settings.trust_remote_code)
    lm.tie_weights()  # which the making without values has undone
    lm.requires_grad_(False)
    with init_empty_weights(include_buffers=False):
        return add_adapter(lm, settings.lora)


def _weights(lm: LanguageModel, settings: ModelSettings) -> dict[str, int]:
    quantized = QUANTIZED_BYTES.get(settings.quantization)
    head = lm.get_output_embeddings()
    inside = {id(m.weight) for m in _linear(lm.modules()) if m.weight is not head.weight} if quantized else set()
    base = adapter = 0.0
    for parameter in lm.parameters():
        if parameter.requires_grad:
            adapter += parameter.numel() * ADAPTER_BYTES
        elif id(parameter) in inside:
            base += parameter.numel() * (quantized or 0)
        else:
            base += parameter.numel() * DTYPE_BYTES[settings.dtype]
    width = _width(lm)
    sizes = [width, *(settings.value_head.widths if settings.value_head.kind == "mlp" else []), 1]
    value_head = sum((a + 1) * b for a, b in itertools.pairwise(sizes)) + 2 * width
    return {
        "weights": int(base),
        "adapter and optimiser": int(adapter),
        "value head": value_head * HEAD_BYTES,
    }


def _passes(lm: LanguageModel, cfg: TrainSettings, device: str) -> dict[str, int]:
    """The largest pass, forward and backward: its layers, and the LM head after them."""
    b, tokens, width = DTYPE_BYTES[cfg.model.dtype], cfg.policy.token_budget, _width(lm)
    row = min(tokens, cfg.policy.menus_per_row * ROW_TOKENS)
    stack = _stack(lm)
    depth = max(len(stack), 1)
    heads = getattr(lm.config, "num_attention_heads", 1)
    scores = row * heads * (b + 4) if cfg.model.attention == "eager" else (row * b if device == "cuda" else 0)
    layer = _kept_by_layers(stack, width, b) / depth + scores
    kept = layer + depth * width * b if cfg.model.gradient_checkpointing else depth * layer
    backward = 1.5 * layer  # gradients of the layer at hand
    largest = max((m.weight.numel() for m in _linear(stack.modules())), default=0)
    unpacked = largest * 2 if cfg.model.quantization != "none" else 0  # one layer at a time
    head = PREDICTING * lm.get_output_embeddings().weight.shape[0] * (b + 3 * 4)
    return {
        f"activations of {tokens} tokens": int(tokens * (kept + backward) + unpacked),
        "LM head and attention masks": int(tokens * head + 3 * tokens * row),
    }


def _kept_by_layers(stack: nn.ModuleList, width: int, b: int) -> float:
    """Bytes per token that all layers keep for the backward pass, attention scores aside."""
    linear = list(_linear(stack.modules()))
    outputs = sum(map(_out, linear)) + len(stack) * max(map(_out, linear), default=0)  # and of one activation
    norms = 2 * width * len(stack)  # read in float32: a copy, where that is not the model's precision
    adapted = _inputs(m for m in stack.modules() if hasattr(m, "lora_A"))
    # An adapter reads a float32 copy of its input; in a float32 model the input itself, which neighbours share.
    return outputs * b + norms * 4 + adapted * (4 if b < 4 else 1)


def _inputs(layers: Iterable[Any]) -> int:
    return sum(int(layer.in_features) for layer in layers)


def _stack(lm: LanguageModel) -> nn.ModuleList:
    """The decoder layers."""
    return max((m for m in lm.modules() if isinstance(m, nn.ModuleList)), key=len, default=nn.ModuleList())


def _width(lm: LanguageModel) -> int:
    return int(lm.get_output_embeddings().weight.shape[-1])


def _caches(lm: LanguageModel, cfg: TrainSettings) -> dict[str, int]:
    """The caches at their fullest, or as full as the run can make them."""
    from twosome.lm.tokens import KEPT_IDS

    values_actions = cfg.method in ACTION_VALUES  # and fills it, an entry for each
    entries = cfg.policy.reuse_capacity if values_actions else min(cfg.policy.reuse_capacity, 2 * cfg.total_steps)
    width = _width(lm)
    features = entries * (width * 4 + 1000) if "features" in cfg.policy.reuse else 0
    menus = KEPT_IDS * 40 + entries * 2000 if cfg.policy.reuse else 0
    rollout = cfg.num_envs * cfg.rollout_steps * (width * 4 + 4000)
    return {"caches and rollout": features + menus + rollout}


def _linear(modules: Iterable[nn.Module]) -> Iterator[Any]:
    """The layers that multiply by a matrix, without the halves of an adapter."""
    for m in modules:
        if (
            type(m).__name__ in ("Linear", "Conv1D")
            and getattr(m, "weight", None) is not None
            and not m.weight.requires_grad
        ):
            yield m


def _out(module: Any) -> int:
    return int(module.weight.shape[1 if type(module).__name__ == "Conv1D" else 0])


def _container_limit() -> int:
    """Bytes that a container's limit leaves, as cgroups say; no limit is a very large number."""
    from pathlib import Path

    for folder, limit, used in (
        ("/sys/fs/cgroup", "memory.max", "memory.current"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            most = (Path(folder) / limit).read_text().strip()
            return 2**62 if most == "max" else int(most) - int((Path(folder) / used).read_text())
        except (OSError, ValueError):
            continue
    return 2**62


def _remedies(cfg: TrainSettings) -> list[str]:
    """Changes of settings under which the run fits, the gentlest first: alone, then together with a smaller budget."""
    changes: list[dict[str, Any]] = [{"model.gradient_checkpointing": True}, {"model.dtype": "bfloat16"}]
    changes += [{"model.quantization": q, "model.dtype": "bfloat16"} for q in ("int8", "nf4")]
    budgets = [b for b in (2048, 1024, 512) if b < cfg.policy.token_budget]
    found: list[str] = []
    changes += [{**c, "model.gradient_checkpointing": True} for c in changes[1:]]
    for change in [{}, *changes]:
        for budget in (None, *budgets):
            trial = dict(change) | ({"policy.token_budget": budget} if budget else {})
            if trial and _with(cfg, trial).fits:
                found.append(" ".join(f"{k}={str(v).lower()}" for k, v in trial.items()))
                break
        if len(found) == 3:
            break
    return found


def _with(cfg: TrainSettings, change: dict[str, Any]) -> Footprint:
    changed = copy.deepcopy(cfg)
    for key, value in change.items():
        *path, name = key.split(".")
        setattr(functools.reduce(getattr, path, changed), name, value)
    made = footprint(changed)
    assert made is not None
    return made
