"""Token paths -> prefix trie: the distinct prefixes of many sequences, each once. Pure; knows nothing of models.

    paths   a b c      nodes (preorder)  0 a ── 1 b ── 2 c
            a b d                             │    └── 3 d
            a e                               └─ 4 e

A node stands for the prefix from its root to itself. Nodes are numbered in preorder, so the subtree of node j
is the range [j, end[j]) and "j is an ancestor of i, or i itself" is simply j <= i < end[j]: the whole
ancestor mask follows from one vector. Positions are depths. One forward pass over the nodes with this mask
computes for every node exactly the hidden state that its prefix has as a sequence of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Trie:
    """`ids, depth, parent, end`: int64 [L], nodes in preorder, parent -1 at a root; `paths[i]`: the nodes of path i."""

    ids: np.ndarray
    depth: np.ndarray
    parent: np.ndarray
    end: np.ndarray
    paths: list[list[int]]

    def __len__(self) -> int:
        return len(self.ids)


def build(paths: Sequence[tuple[int, ...]]) -> Trie:
    """Merge token paths into a trie (of several roots where they begin differently).

    Sorting makes each path share its prefix with the one before it.

    >>> trie = build([(5, 6, 7), (5, 6, 8), (5, 9)])
    >>> trie.ids.tolist(), trie.depth.tolist(), trie.end.tolist()
    ([5, 6, 7, 8, 9], [0, 1, 2, 2, 1], [5, 4, 3, 4, 5])
    """
    ids: list[int] = []
    depth: list[int] = []
    parent: list[int] = []
    end: list[int] = []
    nodes: list[list[int]] = [[] for _ in paths]
    branch: list[int] = []
    previous: tuple[int, ...] = ()
    for index in sorted(range(len(paths)), key=paths.__getitem__):
        path = paths[index]
        shared = common_prefix(previous, path)
        for node in branch[shared:]:
            end[node] = len(ids)
        del branch[shared:]
        for d in range(shared, len(path)):
            parent.append(branch[-1] if branch else -1)
            branch.append(len(ids))
            ids.append(path[d])
            depth.append(d)
            end.append(0)
        nodes[index] = branch.copy()
        previous = path
    for node in branch:
        end[node] = len(ids)
    return Trie(np.array(ids), np.array(depth), np.array(parent), np.array(end), nodes)


def common_prefix(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """How many leading tokens two paths share.

    >>> common_prefix((1, 2, 3), (1, 2, 4, 5))
    2
    """
    n = min(len(a), len(b))
    if a[:n] == b[:n]:
        return n
    return next(i for i in range(n) if a[i] != b[i])


def ancestor_mask(trie: Trie) -> np.ndarray:
    """bool [L, L]: True where column j is row i itself or an ancestor of it (attention may look there)."""
    i = np.arange(len(trie))
    return (i[None, :] <= i[:, None]) & (i[:, None] < trie.end[None, :])


def pack(groups: Sequence[Sequence[tuple[int, ...]]], budget: int, groups_per_row: int) -> list[list[list[int]]]:
    """Cut groups of paths (a group = the menu of one decision) into forward passes of rows of whole groups.

    A row is a trie of at most `groups_per_row` similar groups (similar = neighbours in token order); a pass
    is a batch of rows that, padded to the longest, holds at most `budget` tokens. Returns indices: passes >
    rows > groups. A group larger than the budget has a pass of its own, which `cut` makes smaller.
    """
    order = sorted(range(len(groups)), key=lambda g: min(groups[g]))
    rows: list[tuple[int, list[int]]] = []  # (upper bound of its tokens, its groups)
    previous: tuple[int, ...] = ()
    for g in order:
        first = min(groups[g])
        size = _tokens(groups[g])
        extra = size - common_prefix(previous, first)
        if rows and len(rows[-1][1]) < groups_per_row and rows[-1][0] + extra <= budget:
            rows[-1] = (rows[-1][0] + extra, [*rows[-1][1], g])
        else:
            rows.append((size, [g]))
        previous = first
    return [[rows[r][1] for r in batch] for batch in batches([(1, size) for size, _ in rows], budget)]


def batches(blocks: Sequence[tuple[int, int]], budget: int) -> list[list[int]]:
    """Cut blocks of padded rows into forward passes of at most `budget` tokens.

    A block is (its rows, their width in tokens).

    Like goes with like, for less padding. A block larger than the budget has a pass of its own.

    >>> batches([(1, 3), (2, 4), (1, 4)], budget=12)
    [[1, 2], [0]]
    """
    passes: list[list[int]] = []
    height, width = 0, 0
    for b in sorted(range(len(blocks)), key=lambda b: -blocks[b][1]):
        if passes and (height + blocks[b][0]) * width <= budget:
            passes[-1].append(b)
            height += blocks[b][0]
        else:
            passes.append([b])
            height, width = blocks[b]
    return passes


class Piece(NamedTuple):
    """Some of a menu's paths, by their indices, and the tokens of their trie."""

    paths: list[int]
    tokens: int


def cut(paths: Sequence[tuple[int, ...]], budget: int) -> list[Piece]:
    """Cut one menu's paths into tries of at most `budget` tokens each; a longer path has one of its own.

    In token order, so that a piece is made of whole branches but for its first and last, and begins again with those
    ancestors alone that its own paths have.

    >>> cut([(5, 6, 7), (5, 9, 1), (5, 6, 8), (5, 9)], budget=4)
    [Piece(paths=[0, 2], tokens=4), Piece(paths=[3, 1], tokens=3)]
    """
    pieces: list[Piece] = []
    previous: tuple[int, ...] = ()
    for i in sorted(range(len(paths)), key=paths.__getitem__):
        extra = len(paths[i]) - common_prefix(previous, paths[i])
        if pieces and pieces[-1].tokens + extra <= budget:
            pieces[-1].paths.append(i)
            pieces[-1] = pieces[-1]._replace(tokens=pieces[-1].tokens + extra)
        else:
            pieces.append(Piece([i], len(paths[i])))
        previous = paths[i]
    return pieces


def _tokens(paths: Sequence[tuple[int, ...]]) -> int:
    """Nodes of a trie without building it."""
    total = 0
    previous: tuple[int, ...] = ()
    for path in sorted(paths):
        total += len(path) - common_prefix(previous, path)
        previous = path
    return total
