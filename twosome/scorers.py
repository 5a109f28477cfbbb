"""Three ways to the same token log-probabilities. Knows nothing of phrases, PPO or which of them is right.

    forest        one pass over the distinct prefixes of many menus, with an ancestor mask (the default)
    prompt_cache  the prompt once, its keys and values shared by the actions (where 4D masks do not work)
    separate      one full sequence per action (always right; the judge)

Each takes `rows`: rows of menus of sequences, and returns the log-probability of every continuation token, in
that order, float32 [E], differentiable. All let only the positions that predict something through the LM
head.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from twosome.forest import Forest, common_prefix, grow
from twosome.types import Sequence

Rows = list[list[list[Sequence]]]


class Probe(NamedTuple):
    """What was found: the scorer to use, its largest errors against `separate` (None: not measured), why
    others were refused.
    """

    scorer: str
    value_error: float | None = None
    gradient_error: float | None = None
    refused: dict[str, str] = {}  # noqa: RUF012  (never changed)

    def __str__(self) -> str:
        errors = [("value", self.value_error, " nats"), ("gradient", self.gradient_error, "")]
        measured = ", ".join(
            f"{name} error {error:.1e}{unit}" for name, error, unit in errors if error is not None
        )
        found = f"{self.scorer} ({measured or 'not compared'})"
        return "; ".join([found, *(f"{name} refused: {why}" for name, why in self.refused.items())])


def by_forest(lm: Any, rows: Rows) -> Tensor:
    """Every distinct prefix once. A leaf's own token is never fed: nothing is predicted from it."""
    flat = [[s for menu in row for s in menu] for row in rows]
    forests = [grow([s.ids[:-1] for s in row]) for row in flat]
    width = max(len(f) for f in forests)
    read = [
        r * width + node
        for r, (row, forest) in enumerate(zip(flat, forests, strict=True))
        for s, path in zip(row, forest.paths, strict=True)
        for node in path[s.start - 1 :]
    ]
    parents, edge = np.unique(np.array(read), return_inverse=True)
    tokens = [t for row in flat for s in row for t in s.continuation]
    logits, _ = _run(lm, *_stack(forests, width, lm), parents)
    return _pick(logits, edge, tokens)


def by_prompt_cache(lm: Any, rows: Rows) -> Tensor:
    """The prompt's keys and values once per menu; the actions continue from copies of them."""
    device = device_of(lm)
    result = []
    for menu in (menu for row in rows for menu in row):
        shared = menu[0].ids[: menu[0].start]
        for s in menu[1:]:
            shared = shared[: common_prefix(shared, s.ids[: s.start])]
        k = len(shared) - 1
        if k < 1:
            result.append(by_separate(lm, [[menu]]))
            continue
        prompt = torch.tensor([shared[:k]], device=device)
        cache = lm(input_ids=prompt, use_cache=True).past_key_values
        cache.batch_repeat_interleave(len(menu))
        ids, is_real, index, tokens = _pad(
            [s._replace(ids=s.ids[k:], start=s.start - k) for s in menu], device
        )
        mask = torch.cat([is_real.new_ones(len(menu), k), is_real], dim=1)
        positions = k + torch.arange(ids.shape[1], device=device).expand_as(ids)
        logits, _ = _run(lm, ids, mask.long(), positions, index, past_key_values=cache)
        result.append(_pick(logits, np.arange(len(index)), tokens))
    return torch.cat(result)


def by_separate(lm: Any, rows: Rows) -> Tensor:
    """One right-padded batch of full sequences: the slow obvious version."""
    device = device_of(lm)
    ids, is_real, index, tokens = _pad([s for row in rows for menu in row for s in menu], device)
    logits, _ = _run(lm, ids, is_real.long(), None, index)
    return _pick(logits, np.arange(len(index)), tokens)


SCORERS: dict[str, Callable[[Any, Rows], Tensor]] = {
    "forest": by_forest,
    "prompt_cache": by_prompt_cache,
    "separate": by_separate,
}


def prompt_features(lm: Any, scorer: str, rows: list[list[tuple[int, ...]]]) -> Tensor:
    """What the LM head would read at the last token of every prompt of every row: float32 [N, H], without
    gradient.
    """
    with torch.no_grad():
        if scorer == "forest":
            forests = [grow(row) for row in rows]
            width = max(map(len, forests))
            index = [r * width + path[-1] for r, forest in enumerate(forests) for path in forest.paths]
            _, hidden = _run(lm, *_stack(forests, width, lm), np.array(index))
        else:
            prompts = [p for row in rows for p in row]
            ids, is_real, _, _ = _pad([Sequence((*p, 0), len(p), ()) for p in prompts], device_of(lm))
            index = [i * ids.shape[1] + len(p) - 1 for i, p in enumerate(prompts)]
            _, hidden = _run(lm, ids, is_real.long(), None, np.array(index))
    return hidden.float()


def device_of(lm: Any) -> torch.device:
    """Where the tokens go in."""
    return lm.get_input_embeddings().weight.device


def _run(
    lm: Any, ids: Tensor, mask: Tensor, positions: Tensor | None, index: np.ndarray, **cache
) -> tuple[Tensor, Tensor]:
    """One forward pass. Returns at the flat positions `index`: the logits [U, V] and what the LM head read
    [U, H].

    The positions are chosen by a hook before the LM head, so that whatever a model does after it (soft caps,
    scales) is kept.
    """
    chosen = torch.as_tensor(index, device=ids.device)
    seen: list[Tensor] = []

    def select(_module, args):
        seen.append(args[0].flatten(0, 1)[chosen])
        return (seen[-1][None], *args[1:])

    extra: dict[str, Any] = cache if cache else {"use_cache": False}
    if positions is not None:
        extra["position_ids"] = positions
    handle = lm.get_output_embeddings().register_forward_pre_hook(select)
    try:
        logits = lm(input_ids=ids, attention_mask=mask, **extra).logits
    finally:
        handle.remove()
    return logits[0], seen[-1]


def _pick(logits: Tensor, row: np.ndarray, tokens: list[int]) -> Tensor:
    """log p(token) = logit - logsumexp of its row, one entry per token, float32 [E].

    In float32, since half precision would move the first ratio by 5 to 13 %. The subtraction comes after the
    choice: a log-softmax would keep a second [U, V] table for the backward pass.
    """
    logits = logits.float()
    at = torch.as_tensor(np.asarray(row).reshape(-1), device=logits.device)
    return logits[at, torch.tensor(tokens, device=logits.device)] - logits.logsumexp(dim=-1)[at]


def _stack(forests: list[Forest], width: int, lm: Any) -> tuple[Tensor, Tensor, Tensor]:
    """ids [R, L], ancestor mask [R, 1, L, L], positions [R, L] of forests side by side; padding sees itself
    alone.
    """
    device = device_of(lm)
    ids = np.zeros((3, len(forests), width), np.int64)
    ids[2] = np.arange(width) + 1
    for r, forest in enumerate(forests):
        ids[:, r, : len(forest)] = forest.ids, forest.depth, forest.end
    tokens, depth, end = torch.as_tensor(ids, device=device)
    i = torch.arange(width, device=device)
    may_see = (i[None, None, :] <= i[None, :, None]) & (i[None, :, None] < end[:, None, :])
    if lm.config._attn_implementation == "sdpa":
        mask = may_see[:, None]
    else:  # eager attention adds its mask: a bool one would be read as 0 and 1
        dtype = next((p.dtype for p in lm.parameters() if p.dtype.is_floating_point), torch.float32)
        mask = torch.zeros(may_see.shape, dtype=dtype, device=device)
        mask = mask.masked_fill(~may_see, torch.finfo(dtype).min)[:, None]
    return tokens, mask, depth


def _pad(sequences: list[Sequence], device: torch.device) -> tuple[Tensor, Tensor, np.ndarray, list[int]]:
    """ids and is_real [S, L], padded right; the flat positions that predict a continuation token, and those
    tokens.
    """
    fed = [s.ids[:-1] for s in sequences]
    width = max(map(len, fed))
    ids = np.zeros((len(fed), width), np.int64)
    is_real = np.zeros((len(fed), width), bool)
    for i, path in enumerate(fed):
        ids[i, : len(path)] = path
        is_real[i, : len(path)] = True
    index = [i * width + p for i, s in enumerate(sequences) for p in range(s.start - 1, len(s.ids) - 1)]
    tokens = [t for s in sequences for t in s.continuation]
    return (
        torch.as_tensor(ids, device=device),
        torch.as_tensor(is_real, device=device),
        np.array(index),
        tokens,
    )
