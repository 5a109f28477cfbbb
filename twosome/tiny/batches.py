"""Texts -> tensors. A scene stands in a row once, and behind it every legal action as a branch of its own.

A branch sees the prompt and itself, not the other branches, and its positions go on from the prompt's end:
the row is exactly the separate texts "prompt + action", each action with the same weight, at a fraction of
the cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from twosome.tiny.text import Text

LONGEST, POOL, EOS = 512, 2048, 2


class Row(NamedTuple):
    """One scene with its actions, or one plain text. `segments`: 0 for the trunk, k for the k-th branch."""

    ids: list[int]
    segments: list[int]
    predictions: list[tuple[int, int, float]]  # (place it is predicted from, token, weight)
    end: int  # place of the prompt's last token, -1 for a plain text


class Batch(NamedTuple):
    """Padded rows. `sees` is True where the query (third axis) may look at the key (last axis)."""

    ids: Tensor  # [N, L]
    positions: Tensor  # [N, L]
    sees: Tensor  # [N, 1, L, L]
    sources: Tensor  # [P] places in the flattened [N * L]
    targets: Tensor  # [P]
    weights: Tensor  # [P]
    ends: Tensor  # [N]


def plain(ids: list[int]) -> Row:
    """A text without branches."""
    ids = [*ids[: LONGEST - 1], EOS]
    return Row(ids, [0] * len(ids), [(i, t, 1.0) for i, t in enumerate(ids[1:])], -1)


def branching(prompt: list[int], actions: list[list[int]], weight: float, context: float = 1.0) -> Row:
    """A prompt with its actions; together they weigh `weight` per token of an action of average length.

    `context`: the weight of a token of the prompt.
    """
    row = Row(list(prompt), [0] * len(prompt), [(i, t, context) for i, t in enumerate(prompt[1:])], len(prompt) - 1)
    for number, action in enumerate(actions, 1):
        source = row.end
        for token in [*action, EOS]:
            row.predictions.append((source, token, weight / len(actions)))
            if token != EOS:
                source = len(row.ids)
                row.ids.append(token)
                row.segments.append(number)
    return row


def collate(rows: list[Row]) -> Batch:
    """Pad the rows and lay out who sees whom."""
    width = max(len(r.ids) for r in rows)
    ids = torch.tensor([r.ids + [0] * (width - len(r.ids)) for r in rows])
    segments = torch.tensor([r.segments + [0] * (width - len(r.ids)) for r in rows])
    trunk = segments == 0
    same = segments[:, :, None] == segments[:, None, :]
    sees = (same | trunk[:, None, :]) & torch.ones(width, width, dtype=torch.bool).tril()  # [N, L, L]
    flat = [(n * width + at, token, w) for n, r in enumerate(rows) for at, token, w in r.predictions]
    sources, targets, weights = zip(*flat, strict=True)
    return Batch(
        ids,
        sees.sum(-1) - 1,  # a token's position is the number of tokens before it
        sees[:, None],
        torch.tensor(sources),
        torch.tensor(targets),
        torch.tensor(weights),
        torch.tensor([r.end for r in rows]),
    )


def batches(
    texts: Iterator[Text], tokenizer: PreTrainedTokenizerFast, tokens: int, weight: float, rng: Random
) -> Iterator[Batch]:
    """Batches of about `tokens` tokens, of rows of similar length. `weight` of actions against other text."""

    @cache
    def action_ids(action: str) -> list[int]:
        return tokenizer(f" {action}", add_special_tokens=False)["input_ids"]

    while pool := list(islice(texts, POOL)):
        trunks = [t.text[: t.prompt or None] for t in pool]
        heads = tokenizer(trunks, verbose=False)["input_ids"]
        rows = [
            branching(head, [action_ids(a) for a in t.menu], t.weight or weight, t.context) if t.prompt else plain(head)
            for t, head in zip(pool, heads, strict=True)
        ]
        rows.sort(key=lambda row: len(row.ids))
        groups: list[list[Row]] = [[]]
        for row in rows:
            if groups[-1] and (len(groups[-1]) + 1) * len(row.ids) > tokens:
                groups.append([])
            groups[-1].append(row)
        rng.shuffle(groups)
        yield from map(collate, groups)
