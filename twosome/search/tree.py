"""The tree of a search: positions, statistics per edge, dead ends. Pure; knows nothing of how an edge is chosen.

Per edge (node, action): `visits` N counts descents, those still under way included; `done` and `total` are the number
and the sum of the values that came back; `rewards` R and `discounts` D = gamma^duration (1 - terminated) are those of
the step; `is_exact` marks an action whose whole subtree is known (the solver of Winands et al. 2008, for one player).
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np


class Position(NamedTuple):
    """A situation of a world, as the search sees it.

    `key`: equal for equal situations, whatever way led there; `phrases`: the menu, which breaks ties; `is_final`:
    nothing can be done any more (then `phrases` is empty); `needs_value`: a final one that was cut off and not lost has
    a value all the same; `payload`: what the simulator and the model need of it; `asked`: equal where the model would
    say the same.
    """

    key: Hashable
    phrases: tuple[str, ...]
    is_final: bool
    needs_value: bool
    payload: Any
    asked: Hashable


class Outcome(NamedTuple):
    """What an action does: where it leads, its reward, its discount (0 where the episode terminates).

    `is_failure`: the episode terminates and the goal is not reached; `closes`: a question of a session is closed.
    """

    position: Position
    reward: float
    discount: float
    is_failure: bool = False
    closes: bool = False


class Evaluation(NamedTuple):
    """What the model says of a position: log-probabilities of its actions [A], and its value."""

    log_priors: np.ndarray
    value: float

    def fits(self, position: Position) -> bool:
        """Whether all is finite, with one log-probability per action; of a final position only the value counts."""
        n = len(position.phrases)
        return bool(np.isfinite(self.value)) and (not n or _is_finite(self.log_priors, n))


def _is_finite(log_priors: np.ndarray, n: int) -> bool:
    return np.shape(log_priors) == (n,) and bool(np.isfinite(log_priors).all())


class Node:
    """A position and the statistics of its actions; only the functions of this module change them.

    `blocked`: actions that no descent may take until the model has answered, since all that is below them waits for it;
    `q` [A]: the exact value of an action where it is known, else the mean of those that came back, NaN where none did
    or the action is struck; `n`: all visits; `n_alive`: actions that are not struck; `n_open`: those of them that are
    not exact; `is_waiting`: the model is about to be asked; `is_expanded`: it has been.
    """

    __slots__ = (
        "blocked",
        "bonuses",
        "children",
        "discounts",
        "done",
        "is_exact",
        "is_expanded",
        "is_struck",
        "is_waiting",
        "log_priors",
        "n",
        "n_alive",
        "n_open",
        "position",
        "priors",
        "q",
        "ranks",
        "rewards",
        "total",
        "value",
        "visits",
    )

    def __init__(self, position: Position):
        n = len(position.phrases)
        self.position = position
        self.is_expanded = self.is_waiting = False
        self.value = 0.0
        self.log_priors, self.priors = np.zeros(n), np.ones(n)
        self.n, self.n_alive, self.n_open = 0, n, n
        self.visits, self.q, self.is_struck = np.zeros(n, int), np.full(n, np.nan), np.zeros(n, bool)
        self.is_exact = [False] * n
        self.done = [0] * n
        self.total, self.rewards, self.bonuses, self.discounts = [0.0] * n, [0.0] * n, [0.0] * n, [1.0] * n
        self.children: list[Node | None] = [None] * n
        self.blocked: set[int] = set()
        self.ranks = _ranks(position.phrases)

    def expand(self, evaluation: Evaluation) -> None:
        """Note what the model says: even priors, and the value 0, in the place of a NaN or an infinity."""
        n = len(self.children)
        if n:
            is_good = _is_finite(evaluation.log_priors, n)
            self.log_priors = np.asarray(evaluation.log_priors, float) if is_good else np.full(n, -np.log(n))
            self.priors = np.exp(self.log_priors)
        value = float(evaluation.value)
        self.value = value if np.isfinite(value) else 0.0
        self.is_expanded, self.is_waiting = True, False

    @property
    def is_solved(self) -> bool:
        """Whether the values of all actions that are left are exact; a final position has nothing left."""
        if self.position.is_final:
            return self.is_expanded or not self.position.needs_value
        return self.n_open == 0

    @property
    def exact_value(self) -> float:
        """Of a solved node: the value of its best action, or of the final position; 0 where all are dead ends."""
        if self.position.is_final:
            return self.value
        return float(np.fmax.reduce(self.q)) if self.n_alive else 0.0

    @property
    def mean_value(self) -> float:
        """The mean over the values of all descents into what is not struck, and the model's own."""
        alive = np.flatnonzero(~self.is_struck)
        return (self.value + sum(self.total[a] for a in alive)) / (1 + sum(self.done[a] for a in alive))

    def best(self, scores: np.ndarray) -> int:
        """The action of the highest score that is not struck; the first phrase of equals.

        -1 where all are struck, or blocked, or of no score (minus infinity).
        """
        if self.n_alive == 0:
            return -1
        if self.n_alive < len(scores):
            scores = np.where(self.is_struck, -np.inf, scores)
        if self.blocked:
            scores = scores.copy()
            scores[list(self.blocked)] = -np.inf
            if scores.max() == -np.inf:
                return -1
        is_highest = scores == scores.max()
        if np.count_nonzero(is_highest) == 1:
            return int(is_highest.argmax())
        highest = np.flatnonzero(is_highest & ~self.is_struck)
        return int(highest[self.ranks[highest].argmin()])

    def softmax(self, logits: np.ndarray) -> np.ndarray:
        """A distribution over the actions that are not struck; over all where none is left: [A]."""
        if 0 < self.n_alive < len(logits):
            logits = np.where(self.is_struck, -np.inf, logits)
        weights = np.exp(logits - logits.max())
        return weights / weights.sum()


Path = list[tuple[Node, int]]


def visit(node: Node, action: int) -> None:
    """Begin a descent through an edge."""
    node.visits[action] += 1
    node.n += 1


def take_back(path: Path) -> None:
    """Undo the visits of a descent that came to nothing."""
    for node, action in path:
        node.visits[action] -= 1
        node.n -= 1


def back_up(path: Path, value: float) -> None:
    """Hand a leaf's value up its path: v <- R + bonus + D v."""
    for node, action in reversed(path):
        value = node.rewards[action] + node.bonuses[action] + node.discounts[action] * value
        node.total[action] += value
        node.done[action] += 1
        if not node.is_exact[action]:
            node.q[action] = node.total[action] / node.done[action]


def solve(path: Path) -> None:
    """Note as exact what leads to a solved node, from the last edge of a path upwards."""
    for node, action in reversed(path):
        child = node.children[action]
        if child is None or not child.is_solved:
            return
        node.q[action] = node.rewards[action] + node.bonuses[action] + node.discounts[action] * child.exact_value
        node.n_open -= not node.is_exact[action]
        node.is_exact[action] = True


def strike(path: Path) -> tuple[int, int]:
    """Strike the last edge of a path, and every edge above it whose node has no other left, unless it earns something.

    Returns how many edges were struck, and how many of them had been visited: plans that were torn down.
    """
    struck = torn_down = 0
    for node, action in reversed(path):
        if struck and node.rewards[action] > 0:  # what is behind it earns nothing, but it does: exact, and no dead end
            break
        node.is_struck[action] = True
        node.q[action] = np.nan
        node.n_alive -= 1
        node.n_open -= 1
        struck += 1
        torn_down += int(node.done[action] > 0)
        if node.n_alive:
            break
    return struck, torn_down


def returns_to_ancestor(path: Path, key: Hashable) -> bool:
    """Whether the last edge of a path leads to a state of it without reward on the way: a circle that nobody needs."""
    collected = 0.0
    for node, action in reversed(path):
        collected = node.rewards[action] + node.discounts[action] * collected
        if node.position.key == key:
            return collected <= 0
    return False


@lru_cache(maxsize=1024)
def _ranks(phrases: tuple[str, ...]) -> np.ndarray:
    """The place of every phrase in their alphabetical order: [A]."""
    ranks = np.empty(len(phrases), int)
    ranks[sorted(range(len(phrases)), key=phrases.__getitem__)] = np.arange(len(phrases))
    ranks.flags.writeable = False
    return ranks
