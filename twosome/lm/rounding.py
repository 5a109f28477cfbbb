"""How far rounding alone moves what a model computes, measured by rounding otherwise. Knows nothing of menus.

Two orders of the same computation differ by their rounding errors, and how much of these reaches the end depends on the
model: its depth, its scales, what it amplifies. So each module's output is moved at random by at most half a unit in
its last place, the error that rounding it may have had, and the computation is done again. What changes then is what
another order of it may change (Monte Carlo arithmetic: Parker, "Monte Carlo Arithmetic", UCLA CSD-970002, 1997). No
copy of the model in higher precision is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from twosome.lm.scorers import device_of
from twosome.types import LanguageModel

INT8 = 2**-8  # bitsandbytes rounds a layer's inputs to 127 steps on either side of zero
TF32 = 2**-11  # 10 bits after the leading one


def unit(lm: LanguageModel) -> float:
    """The largest relative rounding error of the model's arithmetic as it is set now; 2**-24 in float32.

    Of its weights' precision, of autocast, of TF32 on CUDA, of int8 layers. Layers quantised to 4 bits compute in the
    precision of the others.
    """
    device = device_of(lm).type
    units = [unit_of(dtype) for dtype in {p.dtype for p in lm.parameters()} if dtype.is_floating_point]
    if torch.is_autocast_enabled(device):
        units.append(unit_of(torch.get_autocast_dtype(device)))
    if getattr(lm, "is_loaded_in_8bit", False):
        units.append(INT8)
    if device == "cuda" and torch.get_float32_matmul_precision() != "highest":
        units.append(TF32)
    return max(units, default=unit_of(torch.float32))


def unit_of(dtype: torch.dtype) -> float:
    """Half a unit in the last place, relative.

    >>> unit_of(torch.bfloat16) == 2**-8, unit_of(torch.float16) == 2**-11, unit_of(torch.float32) == 2**-24
    (True, True, True)
    """
    return torch.finfo(dtype).eps / 2


@contextmanager
def rounded_otherwise(lm: LanguageModel, seed: int) -> Iterator[None]:
    """Within the block the output of every innermost module is moved by at most `unit`, relative, at random."""
    device = device_of(lm)
    generator = torch.Generator(device).manual_seed(seed)
    most = unit(lm)

    def move(_module: nn.Module, _args: object, output: object) -> object:
        if not isinstance(output, Tensor) or not output.is_floating_point():
            return output
        moved = torch.rand(output.shape, generator=generator, device=device).to(output.device) * 2 - 1
        return (output.float() * (1 + most * moved)).to(output.dtype)

    handles = [m.register_forward_hook(move) for m in lm.modules() if next(m.children(), None) is None]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
