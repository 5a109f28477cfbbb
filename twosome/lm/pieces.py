"""A menu larger than the token budget: cut into pieces, each a forward pass of its own, exact in bounded memory.

    menu ─▶ pieces (neighbours in token order) ─▶ token log-probabilities, piece by piece ─▶ one softmax over the menu

Scores come first, without a graph. The softmax over the whole menu then tells what every score weighs in the loss, and
the backward pass runs each piece once more, with a graph and with its weights, and lets it go: what is held at a time
is one piece, and the gradient is that of one pass. The price is one more forward pass of what learns, and that every
piece feeds the prompt again: keys and values that are kept would spare it, but they are what gradient checkpointing
drops and sliding windows cut, and a piece is the very pass that the equivalence check has looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from twosome.lm.scorers import SCORERS, Forward, Rows, device_of, forward_at
from twosome.lm.trie import batches, cut
from twosome.types import EncodedAction, LanguageModel


def token_log_probs(
    lm: LanguageModel, scorer: str, rows: Rows, token_budget: int, forward: Forward = forward_at
) -> Tensor:
    """What `SCORERS[scorer]` gives for these rows, float32 [E]; in pieces where a single menu exceeds the budget.

    Differentiable in the model's trainable weights, once. Whatever the model's mode is (dropout, checkpointing) must
    still be so in the backward pass; random numbers and autocast are set back by themselves.
    """
    menu = rows[0][0]
    alone = len(rows) == len(rows[0]) == 1
    passes = cut_menu(menu, scorer, token_budget, lm.get_output_embeddings().weight.shape[-1]) if alone else []
    if len(passes) <= 1:
        return SCORERS[scorer](lm, rows, forward)
    found: dict[int, Tensor] = {}
    for one in passes:
        work = partial(SCORERS[scorer], lm, [[[menu[i] for i in row]] for row in one], forward)
        order = [i for row in one for i in row]
        parts = _twice(lm, work).split([len(menu[i].continuation) for i in order])
        found |= zip(order, parts, strict=True)
    return torch.cat([found[i] for i in range(len(menu))])


def cut_menu(menu: Sequence[EncodedAction], scorer: str, token_budget: int, width: int) -> list[list[list[int]]]:
    """The passes of a menu: passes > rows > indices of its sequences, each once.

    A pass holds at most `token_budget` tokens, padding included; a sequence longer than that goes alone. `width`: of
    the model's hidden states.
    """
    paths = [s.ids[:-1] for s in menu]
    if scorer == "separate":
        return [[one] for one in batches([(1, len(path)) for path in paths], token_budget)]
    if scorer == "prompt_cache":
        longest, prompt = max(map(len, paths)), min(s.start for s in menu)
        n = max(1, (token_budget - prompt) // (longest - prompt + 1))
        order = sorted(range(len(paths)), key=lambda i: len(paths[i]))
        return [[order[i : i + n]] for i in range(0, len(order), n)]
    whole = cut(paths, token_budget)
    if len(whole) == 1:
        return [[whole[0].paths]]
    rows = cut(paths, min(token_budget, row_tokens(max(s.start for s in menu), width)))
    return [[rows[r].paths for r in one] for one in batches([(1, row.tokens) for row in rows], token_budget)]


def row_tokens(prompt: int, width: int) -> int:
    """How long a row of a piece is best: longer ones repeat the prompt less often, shorter ones attend over less.

    A layer of a transformer takes about 24 H^2 operations for a token and 4 H for each token that it attends over, so a
    row of W tokens costs W (6 H + W), of which W - P tokens are new; the quotient is least at P + sqrt(P^2 + 6 H P).

    >>> row_tokens(prompt=169, width=512)
    909
    """
    return prompt + math.isqrt(prompt * prompt + 6 * width * prompt)


def _twice(lm: LanguageModel, work: Callable[[], Tensor]) -> Tensor:
    """What `work` gives; without a graph now, and with one once more in the backward pass."""
    weights = [p for p in lm.parameters() if p.requires_grad]
    return _Twice.apply(work, device_of(lm), *weights) if torch.is_grad_enabled() and weights else work()


class _Twice(torch.autograd.Function):
    """Work whose graph lives for the time of its backward pass alone."""

    @staticmethod
    def forward(ctx: Any, work: Callable[[], Tensor], device: torch.device, *weights: Tensor) -> Tensor:
        ctx.work, ctx.conditions = work, _Conditions.now(device)
        ctx.save_for_backward(*weights)  # so that weights changed in between are an error, as in any graph
        with ctx.conditions.autocast():
            return work()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        with ctx.conditions.again(), torch.enable_grad():
            values = ctx.work()
        return None, None, *torch.autograd.grad(values, ctx.saved_tensors, slope, allow_unused=True)


class _Conditions(NamedTuple):
    """Whatever beside weights and tokens a forward pass depends on: random numbers (dropout) and autocast."""

    device: torch.device
    random: tuple[Tensor, ...]  # states of the CPU's generator, and of the accelerator's
    dtype: torch.dtype
    is_autocast: bool

    @classmethod
    def now(cls, device: torch.device) -> _Conditions:
        kind = device.type
        return cls(device, _random(kind), torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind))

    def autocast(self) -> torch.autocast:
        """Without its cache: what it keeps of a pass without a graph would have no gradient in one that has one."""
        return torch.autocast(self.device.type, self.dtype, self.is_autocast, cache_enabled=False)

    @contextmanager
    def again(self) -> Iterator[None]:
        """The same once more; afterwards the random numbers go on where they were."""
        later = _random(self.device.type)
        _set_random(self.device.type, self.random)
        try:
            with self.autocast():
                yield
        finally:
            _set_random(self.device.type, later)


def _random(kind: str) -> tuple[Tensor, ...]:
    own = () if kind == "cpu" else (torch.get_device_module(kind).get_rng_state(),)
    return (torch.get_rng_state(), *own)


def _set_random(kind: str, states: tuple[Tensor, ...]) -> None:
    torch.set_rng_state(states[0])
    if kind != "cpu":
        torch.get_device_module(kind).set_rng_state(states[1])
