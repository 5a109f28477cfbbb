"""Texts -> tensors. A scene stands in a row once, and behind it every legal action as a branch of its own.

A branch sees the prompt and itself, not the other branches, and its positions go on from the prompt's end:
the row is exactly the separate texts "prompt + action", each action with the same weight, at a fraction of
the cost. Where some actions are not to be taken, they are branches too, for the policy over the menu.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from twosome.tiny.text import Text

LONGEST, POOL, EOS = 512, 2048, 2


class Action(NamedTuple):
    """The tokens of an action, how many words it has, whether it is to be taken, and what stands before it."""

    ids: list[int]
    words: int
    is_right: bool
    given: list[int]


class Branch(NamedTuple):
    """An action behind a prompt. `predictions`: first and last + 1 of its own, without the end of the text."""

    predictions: tuple[int, int]
    words: int
    is_right: bool


class Row(NamedTuple):
    """One scene with its actions, or one plain text. `segments`: 0 for the trunk, k for the k-th branch."""

    ids: list[int]
    segments: list[int]
    predictions: list[tuple[int, int, float]]  # (place it is predicted from, token, weight)
    end: int  # place of the last token of a prompt without advice, else -1
    choice: list[Branch]  # of which the policy is trained; empty where it is not


class Batch(NamedTuple):
    """Padded rows. `sees` is True where the query (third axis) may look at the key (last axis)."""

    ids: Tensor  # [N, L]
    positions: Tensor  # [N, L]
    sees: Tensor  # [N, 1, L, L]
    sources: Tensor  # [P] places in the flattened [N * L]
    targets: Tensor  # [P]
    weights: Tensor  # [P]
    ends: Tensor  # [N]
    branches: Tensor  # [P] the place in [C, A] of the action that a token belongs to, -1 for none
    words: Tensor  # [C, A] of each action to choose from, 0 where there is none
    is_right: Tensor  # [C, A]


def plain(ids: list[int], told: int = 0) -> Row:
    """A text without branches, predicted from the place `told` on."""
    ids = [*ids[: LONGEST - 1], EOS]
    return Row(ids, [0] * len(ids), [(i, t, 1.0) for i, t in enumerate(ids[1:]) if i + 1 >= told], -1, [])


def branching(
    prompt: list[int],
    actions: Sequence[Action],
    weight: float,
    context: float = 1.0,
    told: int = 0,
) -> Row:
    """A prompt with its actions; the right ones together weigh `weight` per token of an action of average length.

    `context`: the weight of a token of the prompt, from the place `told` on.
    """
    predictions = [(i, t, context) for i, t in enumerate(prompt[1:]) if i + 1 >= told]
    last = len(prompt) - 1
    row = Row(list(prompt), [0] * len(prompt), predictions, -1 if told else last, [])
    each = weight / sum(action.is_right for action in actions)
    is_choice = not all(action.is_right for action in actions)
    for number, action in enumerate(actions, 1):
        first, source = len(predictions), last
        for at, token in enumerate([*action.given, *action.ids, EOS]):
            if at >= len(action.given) and (action.is_right or token != EOS):
                predictions.append((source, token, each if action.is_right else 0.0))
            if token != EOS:
                source = len(row.ids)
                row.ids.append(token)
                row.segments.append(number)
        if is_choice:
            row.choice.append(Branch((first, first + len(action.ids)), action.words, action.is_right))
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
        *_choices(rows),
    )


def _choices(rows: list[Row]) -> tuple[Tensor, Tensor, Tensor]:
    """`branches`, `words` and `is_right` of a batch."""
    chosen = [r for r in rows if r.choice]
    most = max((len(r.choice) for r in chosen), default=0)
    branches: list[int] = []
    for r in rows:
        of = [-1] * len(r.predictions)
        for k, branch in enumerate(r.choice):
            first, end = branch.predictions
            of[first:end] = [chosen.index(r) * most + k] * (end - first)
        branches += of
    words = torch.zeros(len(chosen), most)
    is_right = torch.zeros(len(chosen), most, dtype=torch.bool)
    for c, r in enumerate(chosen):
        for k, branch in enumerate(r.choice):
            words[c, k], is_right[c, k] = branch.words, branch.is_right
    return torch.tensor(branches), words, is_right


def batches(
    texts: Iterator[Text], tokenizer: PreTrainedTokenizerFast, tokens: int, weight: float, rng: Random
) -> Iterator[Batch]:
    """Batches of about `tokens` tokens, of rows of similar length. `weight` of actions against other text."""

    def encode(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    @cache
    def action_ids(action: str) -> list[int]:
        return encode(f" {action}")

    def told(t: Text) -> int:
        return len(encode(t.text[: t.told])) + 1 if t.told else 0

    def row_of(t: Text, head: list[int]) -> Row:
        given = [encode(g) for g in t.given] or [[] for _ in t.menu]
        actions = [Action(action_ids(a), len(a.split()), True, g) for a, g in zip(t.menu, given, strict=True)]
        actions += [Action(action_ids(a), len(a.split()), False, []) for a in t.others]
        return branching(head, actions, t.weight or weight, t.context, told(t))

    while pool := list(islice(texts, POOL)):
        trunks = [t.text[: t.prompt or None] for t in pool]
        heads = tokenizer(trunks, verbose=False)["input_ids"]
        rows = [row_of(t, head) if t.prompt else plain(head, told(t)) for t, head in zip(pool, heads, strict=True)]
        rows.sort(key=lambda row: len(row.ids))
        groups: list[list[Row]] = [[]]
        for row in rows:
            if groups[-1] and (len(groups[-1]) + 1) * len(row.ids) > tokens:
                groups.append([])
            groups[-1].append(row)
        rng.shuffle(groups)
        yield from map(collate, groups)
