"""Where the actions of a menu part from each other, token by token. Pure; knows nothing of models or texts.

walk to the fridge          at the first token:  {walk, open}, at the fourth:  {fridge, table}
walk to the table           the other tokens of "walk to the fridge" are certain: there is nothing to choose
open the fridge
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

END = -1  # no token: where an action ends that others go on from


class Fork(NamedTuple):
    """A token at which actions part.

    `depth`: the tokens before it; `open`: the actions that begin with these; `kept`: those that have this token too.
    """

    depth: int
    open: tuple[int, ...]
    kept: tuple[int, ...]


def forks(paths: Sequence[tuple[int, ...]], action: int) -> list[Fork]:
    """The forks on the way to one action of a menu; after the last of them it is the only one left.

    >>> forks([(5, 6, 7), (5, 6, 8), (5,)], action=1)
    [Fork(depth=1, open=(0, 1, 2), kept=(0, 1)), Fork(depth=2, open=(0, 1), kept=(1,))]
    """
    found: list[Fork] = []
    left = tuple(range(len(paths)))
    for depth, token in enumerate((*paths[action], END)):
        kept = tuple(i for i in left if (paths[i][depth] if depth < len(paths[i]) else END) == token)
        if len(kept) < len(left):
            found.append(Fork(depth, left, kept))
        left = kept
        if len(left) == 1:
            break
    return found
