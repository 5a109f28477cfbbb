"""Token paths -> forest: the distinct prefixes of many sequences, each once. Pure; knows nothing of models.

    paths   a b c      nodes (preorder)  0 a ── 1 b ── 2 c
            a b d                             │    └── 3 d
            a e                               └─ 4 e

A node stands for the prefix from its root to itself. Nodes are numbered in preorder, so the subtree of node j is the range
[j, end[j]) and "j is an ancestor of i, or i itself" is simply j <= i < end[j]: the whole ancestor mask follows from one
vector. Positions are depths. One forward pass over the nodes with this mask computes for every node exactly the hidden
state that its prefix has as a sequence of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Forest(NamedTuple):
    """`ids, depth, parent, end`: int64 [L], nodes in preorder, parent -1 at a root; `paths[i]`: the nodes of path i."""

    ids: np.ndarray
    depth: np.ndarray
    parent: np.ndarray
    end: np.ndarray
    paths: list[list[int]]

    def __len__(self) -> int:
        return len(self.ids)


def grow(paths: Sequence[tuple[int, ...]]) -> Forest:
    """Merge token paths into a forest. Sorting makes each path share its prefix with the one before it.

    >>> forest = grow([(5, 6, 7), (5, 6, 8), (5, 9)])
    >>> forest.ids.tolist(), forest.depth.tolist(), forest.end.tolist()
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
    return Forest(*(np.array(x, np.int64) for x in (ids, depth, parent, end)), nodes)


def common_prefix(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """How many leading tokens two paths share.

    >>> common_prefix((1, 2, 3), (1, 2, 4, 5))
    2
    """
    n = min(len(a), len(b))
    if a[:n] == b[:n]:
        return n
    return next(i for i in range(n) if a[i] != b[i])


def ancestor_mask(forest: Forest) -> np.ndarray:
    """bool [L, L]: True where column j is row i itself or an ancestor of it (attention may look there)."""
    i = np.arange(len(forest))
    return (i[None, :] <= i[:, None]) & (i[:, None] < forest.end[None, :])


def pack(groups: Sequence[Sequence[tuple[int, ...]]], budget: int, groups_per_row: int) -> list[list[list[int]]]:
    """Cut groups of paths (a group = the menu of one decision) into forward passes of rows of whole groups.

    A row is a forest of at most `groups_per_row` similar groups (similar = neighbours in token order); a pass is a
    batch of rows that, padded to the longest, holds at most `budget` tokens. Returns indices: passes > rows > groups.
    A group larger than the budget has a pass of its own: a menu is never split.
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
    passes: list[list[list[int]]] = []
    width = 0
    for size, row in sorted(rows, key=lambda r: r[0], reverse=True):  # like with like: less padding
        if passes and (len(passes[-1]) + 1) * width <= budget:
            passes[-1].append(row)
        else:
            passes.append([row])
            width = size
    return passes


def _tokens(paths: Sequence[tuple[int, ...]]) -> int:
    """Nodes of a forest without growing it."""
    total, previous = 0, ()
    for path in sorted(paths):
        total += len(path) - common_prefix(previous, path)
        previous = path
    return total
