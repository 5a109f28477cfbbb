"""Three ways to the same token log-probabilities. Knows nothing of phrases, PPO or which of them is right.

    trie          one pass over the distinct prefixes of many menus, with an ancestor mask (the default)
    prompt_cache  the prompt once, its keys and values shared by the actions (where 4D masks do not work)
    separate      one full sequence per action (always right; the judge)

Each takes `rows`: rows of menus of sequences, and returns the log-probability of every continuation token, in
that order, float32 [E], differentiable. All let only the positions that predict something through the LM head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from twosome.lm.trie import Trie, build, common_prefix
from twosome.lm.windows import masks
from twosome.types import EncodedAction, LanguageModel

Rows = list[list[list[EncodedAction]]]
Mask = Tensor | dict[str, Tensor]  # as the model takes it: one, or one for every kind of layer


class Forward(Protocol):
    """One forward pass, read at the flat positions `index`: logits [U, V], and what the LM head read [U, H]."""

    def __call__(
        self, lm: LanguageModel, ids: Tensor, mask: Mask, positions: Tensor | None, index: np.ndarray, **cache: Any
    ) -> tuple[Tensor, Tensor]:
        """`ids` [R, L]; `mask` as the model takes it; `positions` [R, L] or None; `cache`: `past_key_values`."""
        ...


def forward_at(
    lm: LanguageModel, ids: Tensor, mask: Mask, positions: Tensor | None, index: np.ndarray, **cache: Any
) -> tuple[Tensor, Tensor]:
    """The forward pass that lets only the positions `index` through the LM head.

    They are chosen by a hook before the head, so that whatever a model does after it (soft caps, scales) is kept.
    """
    chosen = torch.as_tensor(index, device=ids.device)
    seen: list[Tensor] = []

    def select(_module: torch.nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
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


def by_trie(lm: LanguageModel, rows: Rows, forward: Forward = forward_at) -> Tensor:
    """Every distinct prefix once. A leaf's own token is never fed: nothing is predicted from it."""
    flat = [[s for menu in row for s in menu] for row in rows]
    tries = [build([s.ids[:-1] for s in row]) for row in flat]
    width = max(len(f) for f in tries)
    read = [
        r * width + node
        for r, (row, trie) in enumerate(zip(flat, tries, strict=True))
        for s, path in zip(row, trie.paths, strict=True)
        for node in path[s.start - 1 :]
    ]
    parents, edge = np.unique(np.array(read), return_inverse=True)
    tokens = [t for row in flat for s in row for t in s.continuation]
    logits, _ = forward(lm, *_stack(tries, width, lm), parents)
    return _pick(logits, edge, tokens)


def by_prompt_cache(lm: LanguageModel, rows: Rows, forward: Forward = forward_at) -> Tensor:
    """The prompt's keys and values once per menu; the actions continue from copies of them."""
    device = device_of(lm)
    result = []
    for menu in (menu for row in rows for menu in row):
        shared = menu[0].ids[: menu[0].start]
        for s in menu[1:]:
            shared = shared[: common_prefix(shared, s.ids[: s.start])]
        k = len(shared) - 1
        if k < 1:
            result.append(by_separate(lm, [[menu]], forward))
            continue
        prompt = torch.tensor([shared[:k]], device=device)
        cache = lm(input_ids=prompt, use_cache=True).past_key_values
        cache.batch_repeat_interleave(len(menu))
        ids, is_real, index, tokens = _pad([s._replace(ids=s.ids[k:], start=s.start - k) for s in menu], device)
        mask = torch.cat([is_real.new_ones(len(menu), k), is_real], dim=1)
        positions = k + torch.arange(ids.shape[1], device=device).expand_as(ids)
        logits, _ = forward(lm, ids, mask.long(), positions, index, past_key_values=cache)
        result.append(_pick(logits, np.arange(len(index)), tokens))
    return torch.cat(result)


def by_separate(lm: LanguageModel, rows: Rows, forward: Forward = forward_at) -> Tensor:
    """One right-padded batch of full sequences: the slow obvious version."""
    device = device_of(lm)
    ids, is_real, index, tokens = _pad([s for row in rows for menu in row for s in menu], device)
    logits, _ = forward(lm, ids, is_real.long(), None, index)
    return _pick(logits, np.arange(len(index)), tokens)


SCORERS: Mapping[str, Callable[..., Tensor]] = {
    "trie": by_trie,
    "prompt_cache": by_prompt_cache,
    "separate": by_separate,
}


def prompt_features(
    lm: LanguageModel,
    scorer: str,
    rows: list[list[tuple[int, ...]]],
    forward: Forward = forward_at,
    pooling: str = "last",
) -> Tensor:
    """What the LM head would read of every prompt of every row: float32 [N, H], without gradient.

    pooling: `last`, at its last token; or `mean`, on average over its tokens.
    """
    with torch.no_grad():
        if scorer == "trie":
            tries = [build(row) for row in rows]
            width = max(map(len, tries))
            paths = [[r * width + node for node in path] for r, trie in enumerate(tries) for path in trie.paths]
            how: tuple[Tensor, Mask, Tensor | None] = _stack(tries, width, lm)
        else:
            prompts = [p for row in rows for p in row]
            ids, is_real, _, _ = _pad([EncodedAction((*p, 0), len(p), ()) for p in prompts], device_of(lm))
            paths = [[i * ids.shape[1] + at for at in range(len(p))] for i, p in enumerate(prompts)]
            how = ids, is_real.long(), None
        if pooling == "last":
            _, hidden = forward(lm, *how, np.array([path[-1] for path in paths]))
            return hidden.float()
        hidden = _hidden(lm, *how)
        return torch.stack([hidden[torch.as_tensor(path, device=hidden.device)].float().mean(0) for path in paths])


def _hidden(lm: LanguageModel, ids: Tensor, mask: Mask, positions: Tensor | None) -> Tensor:
    """What the LM head would read at every position: [R * L, H]. One position goes through it, so that it is called."""
    seen: list[Tensor] = []

    def keep(_module: torch.nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        seen.append(args[0].flatten(0, 1))
        return (seen[-1][None, :1], *args[1:])

    extra: dict[str, Any] = {} if positions is None else {"position_ids": positions}
    handle = lm.get_output_embeddings().register_forward_pre_hook(keep)
    try:
        lm(input_ids=ids, attention_mask=mask, use_cache=False, **extra)
    finally:
        handle.remove()
    return seen[-1]


def device_of(lm: LanguageModel) -> torch.device:
    """Where the tokens go in."""
    return lm.get_input_embeddings().weight.device


def _pick(logits: Tensor, row: np.ndarray, tokens: list[int]) -> Tensor:
    """log p(token) = logit - logsumexp of its row, one entry per token, float32 [E].

    In float32, since half precision would move the first ratio by 5 to 13 %. The subtraction comes after the
    choice: a log-softmax would keep a second [U, V] table for the backward pass.
    """
    logits = logits.float()
    at = torch.as_tensor(np.asarray(row).reshape(-1), device=logits.device)
    return logits[at, torch.tensor(tokens, device=logits.device)] - logits.logsumexp(dim=-1)[at]


def _stack(tries: list[Trie], width: int, lm: LanguageModel) -> tuple[Tensor, Mask, Tensor]:
    """ids [R, L], ancestor masks [R, 1, L, L], positions [R, L] of tries side by side; padding sees itself alone."""
    device = device_of(lm)
    ids = np.zeros((3, len(tries), width), np.int64)
    ids[2] = np.arange(width) + 1
    for r, trie in enumerate(tries):
        ids[:, r, : len(trie)] = trie.ids, trie.depth, trie.end
    tokens, depth, end = torch.as_tensor(ids, device=device)
    i = torch.arange(width, device=device)
    may_see = (i[None, None, :] <= i[None, :, None]) & (i[None, :, None] < end[:, None, :])
    return tokens, masks(lm, may_see, depth), depth


def _pad(sequences: list[EncodedAction], device: torch.device) -> tuple[Tensor, Tensor, np.ndarray, list[int]]:
    """ids and is_real [S, L], padded right; the flat positions that predict a continuation token, and those tokens."""
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
