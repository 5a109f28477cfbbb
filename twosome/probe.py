"""Which scorer is exact for this model: each is compared with separate sequences on real menus, values and
gradients.

A mask that a model ignores, adds as 0 and 1, or overrides with its own gives wrong numbers and no error, so
it is measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from twosome.forest import batches
from twosome.scorers import SCORERS, Probe, by_separate, device_of
from twosome.types import Sequence

Menu = list[Sequence]

MENUS = 2  # menus of one probe
ACTIONS = 24  # actions of a menu that it looks at
WEIGHTS = 16  # trainable tensors whose gradient it compares
# by precision: (nats per token, relative norm of the gradient)
TOLERANCES = {torch.float32: (5e-5, 1e-3), torch.float64: (1e-8, 1e-6)}
VALUE_SLOPE = 1e-5  # of a token's own log-probability: rounding grows with it
COARSE = (0.15, 0.2)  # half precision, quantised weights, autocast, TF32: rounding differs between the passes


def probe(
    lm: Any,
    menus: list[Menu],
    candidates: tuple[str, ...] = ("forest", "prompt_cache"),
    *,
    with_gradient: bool = True,
    token_budget: int = 8192,
) -> Probe:
    """The first candidate that equals separate sequences on the first menus, in the model's present mode;
    else `separate`.

    `with_gradient`: compare the gradients of trainable weights too. Adapter halves that PEFT starts at zero
    are given small values meanwhile, for at zero the other halves' gradients vanish and nothing would be
    compared. `token_budget` bounds the passes of the reference. An out-of-memory error is the caller's; any
    other of a candidate refuses it.
    """
    menus = [menu[:ACTIONS] for menu in menus[:MENUS]]
    weights = _spread([p for p in lm.parameters() if p.requires_grad]) if with_gradient else []
    value_tolerance, gradient_tolerance = tolerances(lm)
    refused: dict[str, str] = {}
    flat = [s for menu in menus for s in menu]
    cuts = batches([(1, len(s.ids)) for s in flat], token_budget)
    with _without_dropout(lm), _shaken(lm if weights else None):
        expected, slopes = _evaluate(
            lm, by_separate, [([[[flat[i]] for i in cut]], cut) for cut in cuts], weights
        )
        for name in candidates:
            longest = max(len(s.ids) - 1 for s in flat)
            if name == "forest" and exceeds_window(lm, longest):
                refused[name] = (
                    f"a path of {longest} tokens is longer than the attention window {attention_window(lm)}"
                )
                continue
            try:
                got, slope = _evaluate(lm, SCORERS[name], [([menus], list(range(len(flat))))], weights)
            except torch.OutOfMemoryError:
                raise
            except (
                TypeError,
                ValueError,
                RuntimeError,
                IndexError,
                AttributeError,
                AssertionError,
                KeyError,
            ) as error:
                refused[name] = (
                    f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}"
                )
                continue
            differences = [(got[i] - expected[i]).abs() for i in range(len(flat))]
            value_error = _largest(differences)
            excess = _largest([d - VALUE_SLOPE * expected[i].abs() for i, d in enumerate(differences)])
            gradient_error = _relative(slope, slopes)
            if excess <= value_tolerance and (gradient_error or 0.0) <= gradient_tolerance:
                return Probe(name, value_error, gradient_error, refused)
            refused[name] = (
                f"differs from separate sequences (value {value_error:.1e}, gradient "
                f"{gradient_error or 0:.1e})"
            )
    return Probe("separate", None, None, refused)


def tolerances(lm: Any) -> tuple[float, float]:
    """How far a scorer may be from separate sequences and still count as the same, by the precision of the
    arithmetic.
    """
    dtype = next((p.dtype for p in lm.parameters() if p.dtype.is_floating_point), torch.float32)
    device = device_of(lm).type
    coarse = (
        getattr(lm, "is_quantized", False)
        or getattr(lm, "quantization_method", None) is not None
        or torch.is_autocast_enabled(device)
        or (device == "cuda" and torch.get_float32_matmul_precision() != "highest")
    )
    return COARSE if coarse else TOLERANCES.get(dtype, COARSE)


def attention_window(lm: Any) -> int | None:
    """The shortest sliding or chunked attention window of the model's layers, None where all attention is
    full.
    """
    config = lm.config.get_text_config() if hasattr(lm.config, "get_text_config") else lm.config
    kinds = getattr(config, "layer_types", None)
    if kinds is not None and all(kind == "full_attention" for kind in kinds):
        return None
    if getattr(config, "use_sliding_window", True) is False:
        return None
    names = ("sliding_window", "attention_chunk_size", "window_size")
    windows = [w for w in (getattr(config, name, None) for name in names) if isinstance(w, int) and w > 0]
    return min(windows, default=None)


def exceeds_window(lm: Any, tokens: int) -> bool:
    """Whether a path of so many tokens is longer than a window, which a 4D mask would override in silence."""
    window = attention_window(lm)
    return window is not None and tokens > window


def _evaluate(
    lm: Any, scorer: Callable, passes: list[tuple[list[list[Menu]], list[int]]], weights: list[Tensor]
) -> tuple[dict[int, Tensor], list[Tensor | None]]:
    """Token log-probabilities of every sequence, and the gradient of a fixed uneven sum of them, pass by
    pass.
    """
    values: dict[int, Tensor] = {}
    slopes: list[Tensor | None] = [None] * len(weights)
    for rows, owners in passes:
        with torch.set_grad_enabled(bool(weights)):
            found = scorer(lm, rows)
            sizes = [len(s.continuation) for row in rows for menu in row for s in menu]
            parts = found.split(sizes)
            if weights and found.requires_grad:
                total = torch.stack(
                    [(1 + i % 3) * (-1) ** i * part.sum() for i, part in zip(owners, parts, strict=True)]
                ).sum()
                for k, g in enumerate(torch.autograd.grad(total, weights, allow_unused=True)):
                    before = slopes[k]
                    if g is not None:
                        slopes[k] = g if before is None else before + g
        values |= {i: part.detach() for i, part in zip(owners, parts, strict=True)}
    return values, slopes


def _largest(numbers: list[Tensor]) -> float:
    """The largest number; infinite where one is not a number."""
    return torch.cat(numbers).nan_to_num(nan=torch.inf).max().item()


def _relative(got: list[Tensor | None], expected: list[Tensor | None]) -> float | None:
    """Norm of the difference over the norm expected; None where no gradient was expected."""
    pairs = []
    for g, e in zip(got, expected, strict=True):
        some = g if g is not None else e
        if some is not None:
            nothing = torch.zeros_like(some, dtype=torch.float32)
            pairs.append((nothing if g is None else g.float(), nothing if e is None else e.float()))
    size = math.fsum(e.pow(2).sum().item() for _, e in pairs)
    if not size:
        return None
    return math.sqrt(math.fsum((g - e).pow(2).sum().item() for g, e in pairs) / size)


def _spread(weights: list[Tensor]) -> list[Tensor]:
    """Some tensors from the first layer to the last; none so large that its gradient would cost a model's
    memory.
    """
    small = [w for w in weights if w.numel() <= 2**24]
    if len(small) <= WEIGHTS:
        return small
    return [small[round(k * (len(small) - 1) / (WEIGHTS - 1))] for k in range(WEIGHTS)]


@contextmanager
def _shaken(lm: Any) -> Iterator[None]:
    """Small values in the trainable tensors that are all zero. Written through `.data`: graphs that hold them
    stay valid.
    """
    trainable = [] if lm is None else [p for p in lm.parameters() if p.requires_grad]
    still = [p for p in trainable if not p.detach().any()]
    generator = torch.Generator().manual_seed(0)
    for p in still:
        p.data.copy_(torch.randn(p.shape, generator=generator) * 0.01)
    try:
        yield
    finally:
        for p in still:
            p.data.zero_()


@contextmanager
def _without_dropout(lm: Any) -> Iterator[None]:
    """Dropout off while two passes are compared, everything else (train mode, checkpointing) as it will be
    used.
    """
    dropouts = [m for m in lm.modules() if isinstance(m, torch.nn.Dropout) and m.training]
    for module in dropouts:
        module.eval()
    try:
        yield
    finally:
        for module in dropouts:
            module.train()
