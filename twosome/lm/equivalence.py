"""Which scorer is exact for this model: each is compared with separate sequences on real menus, values and gradients.

A mask that a model ignores, adds as 0 and 1, or overrides with its own gives wrong numbers and no error, so it is
measured. In coarse arithmetic (half precision, quantised weights, autocast, TF32) right ones differ too, by rounding:
how far they may is measured as well, on the separate sequences themselves (`rounding`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from twosome.lm.rounding import rounded_otherwise, unit, unit_of
from twosome.lm.scorers import SCORERS, by_separate
from twosome.lm.trie import batches
from twosome.lm.windows import attention_window, exceeds_window
from twosome.types import EncodedAction, LanguageModel

Menu = list[EncodedAction]
Found = tuple[dict[int, Tensor], list[Tensor | None]]  # token log-probabilities of every sequence, and a gradient

MENUS = 2  # menus that are compared
ACTIONS = 24  # actions of each
WEIGHTS = 16  # trainable tensors whose gradients are compared
ROUNDINGS = 4  # of coarse arithmetic, for the largest error that rounding makes
# by precision: (nats per token, relative norm of the gradient)
TOLERANCES = {torch.float32: (5e-5, 1e-3), torch.float64: (1e-8, 1e-6)}
VALUE_SLOPE = 1e-5  # of a token's own log-probability: rounding grows with it
FAILURES = (TypeError, ValueError, RuntimeError, IndexError, AttributeError, AssertionError, KeyError)  # of a candidate


class Equivalence(NamedTuple):
    """What a check found: the scorer to use, its errors, and why others were refused.

    The errors are the largest against `separate`; None: not measured.
    """

    scorer: str
    value_error: float | None = None
    gradient_error: float | None = None
    refused: dict[str, str] = {}  # noqa: RUF012  (never changed)

    def __str__(self) -> str:
        errors = [("value", self.value_error, " nats"), ("gradient", self.gradient_error, "")]
        measured = ", ".join(f"{name} error {error:.1e}{unit}" for name, error, unit in errors if error is not None)
        found = f"{self.scorer} ({measured or 'not compared'})"
        return "; ".join([found, *(f"{name} refused: {why}" for name, why in self.refused.items())])


def check_equivalence(
    lm: LanguageModel,
    menus: list[Menu],
    candidates: tuple[str, ...] = ("trie", "prompt_cache"),
    *,
    with_gradient: bool = True,
    token_budget: int = 8192,
) -> Equivalence:
    """The first candidate that equals separate sequences on the first menus; else `separate`.

    The model is taken in its present mode.

    `with_gradient`: compare the gradients of trainable weights too. Adapter halves that PEFT starts at zero
    are given small values meanwhile, for at zero the other halves' gradients vanish and nothing would be
    compared. `token_budget` bounds the passes of the reference. An out-of-memory error is the caller's; any
    other of a candidate refuses it.
    """
    menus = [menu[:ACTIONS] for menu in menus[:MENUS]]
    weights = _sampled([p for p in lm.parameters() if p.requires_grad]) if with_gradient else []
    refused: dict[str, str] = {}
    flat = [s for menu in menus for s in menu]
    cuts = batches([(1, len(s.ids)) for s in flat], token_budget)
    with _without_dropout(lm), _perturbed(lm if weights else None):
        passes = [([[[flat[i]] for i in cut]], cut) for cut in cuts]
        reference = partial(_evaluate, lm, by_separate, passes, weights)
        expected = reference()
        allowed = tolerances(lm, expected, reference)
        for name in candidates:
            try:
                found = _compare(lm, name, menus, expected, allowed, weights)
            except torch.OutOfMemoryError:
                raise
            except FAILURES as error:
                first_line = str(error).splitlines()[0][:120] if str(error) else ""
                refused[name] = f"{type(error).__name__}: {first_line}"
                continue
            if isinstance(found, str):
                refused[name] = found
            else:
                return found._replace(refused=refused)
    return Equivalence("separate", None, None, refused)


def _compare(
    lm: LanguageModel,
    name: str,
    menus: list[Menu],
    expected: Found,
    allowed: tuple[float, float],
    weights: list[Tensor],
) -> Equivalence | str:
    """One candidate against the reference: its errors, or why it is refused."""
    longest = max(len(s.ids) - 1 for menu in menus for s in menu)
    if name == "trie" and exceeds_window(lm, longest):
        return f"a path of {longest} tokens is longer than the window {attention_window(lm)}, which is no sliding one"
    values, slopes = expected
    got, slope = _evaluate(lm, SCORERS[name], [([menus], list(range(len(values))))], weights)
    differences = [(got[i] - values[i]).abs() for i in range(len(values))]
    value_error = _largest(differences)
    excess = _largest([d - VALUE_SLOPE * values[i].abs() for i, d in enumerate(differences)])
    gradient_error = _relative(slope, slopes)
    if excess <= allowed[0] and (gradient_error or 0.0) <= allowed[1]:
        return Equivalence(name, value_error, gradient_error)
    return (
        f"differs from separate sequences (value {value_error:.1e}, gradient {gradient_error or 0:.1e}; "
        f"allowed {allowed[0]:.1e} and {allowed[1]:.1e})"
    )


def tolerances(lm: LanguageModel, expected: Found, reference: Callable[[], Found]) -> tuple[float, float]:
    """How far a scorer may be from separate sequences and still count as the same: (nats per token, relative norm).

    In float32 and float64 two numbers. In coarser arithmetic twice the largest that `rounding` moves the reference:
    once for the reference's distance from the exact result, once for the scorer's.
    """
    dtype = next((p.dtype for p in lm.parameters() if p.dtype.is_floating_point), torch.float32)
    quantized = getattr(lm, "is_quantized", False) or getattr(lm, "quantization_method", None) is not None
    if dtype in TOLERANCES and unit(lm) <= unit_of(torch.float32) and not quantized:
        return TOLERANCES[dtype]
    value, gradient = TOLERANCES[torch.float32]
    values, slopes = expected
    for seed in range(ROUNDINGS):
        with rounded_otherwise(lm, seed):
            moved, slope = reference()
        value = _larger(value, 2 * _largest([(moved[i] - values[i]).abs() for i in values]))
        gradient = _larger(gradient, 2 * (_relative(slope, slopes) or 0.0))
    return value, gradient


def _larger(a: float, b: float) -> float:
    """The larger of two numbers; one that is none, where a model overflows, allows nothing."""
    return max(a, b) if math.isfinite(b) else a


def _evaluate(
    lm: LanguageModel,
    scorer: Callable[..., Tensor],
    passes: list[tuple[list[list[Menu]], list[int]]],
    weights: list[Tensor],
) -> Found:
    """Token log-probabilities of every sequence, and the gradient of a fixed uneven sum of them, pass by pass."""
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
    return torch.cat(numbers).nan_to_num(nan=torch.inf, posinf=torch.inf).max().item()


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


def _sampled(weights: list[Tensor]) -> list[Tensor]:
    """Some tensors from the first layer to the last; none so large that its gradient would cost a model's memory."""
    small = [w for w in weights if w.numel() <= 2**24]
    if len(small) <= WEIGHTS:
        return small
    return [small[round(k * (len(small) - 1) / (WEIGHTS - 1))] for k in range(WEIGHTS)]


@contextmanager
def _perturbed(lm: LanguageModel) -> Iterator[None]:
    """Small values in the trainable tensors that are all zero, for the time of the check.

    Written through `.data`: graphs that hold them stay valid.
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
def _without_dropout(lm: LanguageModel) -> Iterator[None]:
    """Dropout off while two passes are compared, everything else (train mode, checkpointing) as it will be used."""
    dropouts = [m for m in lm.modules() if isinstance(m, torch.nn.Dropout) and m.training]
    for module in dropouts:
        module.eval()
    try:
        yield
    finally:
        for module in dropouts:
            module.train()
