"""The tree of a search: positions, statistics per edge, dead ends. Pure; knows nothing of how an edge is chosen.

Per edge (node, action): `visits` N counts descents, those still under way included; `done` and `total` are the number
and the sum of the values that came back; `rewards` R and `discounts` D = gamma^duration (1 - terminated) are those of
the step; `exact` is the value of an action whose whole subtree is known, NaN else (the solver of Winands et al. 2008,
for one player).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np


class Position(NamedTuple):
    """A situation of a world, as the search sees it.

    `key`: equal for equal situations, whatever way led there; `phrases`: the menu, which breaks ties; `is_final`:
    nothing can be done any more (then `phrases` is empty); `needs_value`: a final one that was cut off and not lost has
    a value all the same; `payload`: what the simulator and the model need of it.
    """

    key: Hashable
    phrases: tuple[str, ...]
    is_final: bool
    needs_value: bool
    payload: Any


class Outcome(NamedTuple):
    """What an action does: where it leads, its reward, its discount (0 where the episode terminates).

    `is_failure`: the episode terminates and the goal is not reached.
    """

    position: Position
    reward: float
    discount: float
    is_failure: bool = False


class Evaluation(NamedTuple):
    """What the model says of a position: log-probabilities of its actions [A], and its value."""

    log_priors: np.ndarray
    value: float


class Node:
    """A position and the statistics of its actions.

    `is_waiting`: the model is about to be asked; `is_expanded`: it has been.
    """

    __slots__ = (
        "bonuses",
        "children",
        "discounts",
        "done",
        "exact",
        "is_expanded",
        "is_struck",
        "is_waiting",
        "log_priors",
        "position",
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
        self.log_priors = np.zeros(n)
        self.visits, self.done = np.zeros(n, int), np.zeros(n, int)
        self.total, self.rewards, self.discounts = np.zeros(n), np.zeros(n), np.ones(n)
        self.bonuses = np.zeros(n)
        self.exact = np.full(n, np.nan)
        self.is_struck = np.zeros(n, bool)
        self.children: list[Node | None] = [None] * n
        self.ranks = np.argsort(np.argsort(np.array(position.phrases))) if n else np.zeros(0, int)

    def expand(self, evaluation: Evaluation) -> None:
        """Note what the model says. A NaN or an infinity becomes an even prior, or the value 0."""
        log_priors = np.asarray(evaluation.log_priors, float)
        if self.position.phrases:
            is_good = np.isfinite(log_priors).all() and len(log_priors) == len(self.children)
            self.log_priors = log_priors if is_good else np.full(len(self.children), -np.log(len(self.children)))
        self.value = float(evaluation.value) if np.isfinite(evaluation.value) else 0.0
        self.is_expanded, self.is_waiting = True, False

    @property
    def priors(self) -> np.ndarray:
        return np.exp(self.log_priors)

    @property
    def q(self) -> np.ndarray:
        """The exact value of every action where it is known, else the mean of those that came back, else NaN: [A]."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(self.done > 0, self.total / self.done, np.nan)
        return np.where(np.isnan(self.exact), mean, self.exact)

    @property
    def is_solved(self) -> bool:
        """Whether the values of all actions that are left are exact; a final position has nothing left."""
        if self.position.is_final:
            return self.is_expanded or not self.position.needs_value
        return bool((self.is_struck | ~np.isnan(self.exact)).all() and not self.is_struck.all())

    @property
    def exact_value(self) -> float:
        """Of a solved node: the value of its best action, or of the final position."""
        return self.value if self.position.is_final else float(np.nanmax(np.where(self.is_struck, np.nan, self.exact)))

    @property
    def mean_value(self) -> float:
        """The mean over the values of all descents, and the model's own."""
        return float((self.value + self.total.sum()) / (1 + self.done.sum()))

    def best(self, scores: np.ndarray) -> int:
        """The action of the highest score that is not struck; the first phrase of equals. -1 where all are struck."""
        if self.is_struck.all():
            return -1
        scores = np.where(self.is_struck, -np.inf, scores)
        highest = np.flatnonzero(scores == scores.max())
        return int(highest[np.argmin(self.ranks[highest])])


Path = list[tuple[Node, int]]


def back_up(path: Path, value: float) -> None:
    """Hand a leaf's value up its path: v <- R + bonus + D v."""
    for node, action in reversed(path):
        value = float(node.rewards[action] + node.bonuses[action] + node.discounts[action] * value)
        node.total[action] += value
        node.done[action] += 1


def solve(path: Path) -> None:
    """Note as exact what has become so by a leaf that is final, or by an edge struck, up the path."""
    for node, action in reversed(path):
        child = node.children[action]
        if not node.is_struck[action]:
            if child is None or not child.is_solved:
                return
            node.exact[action] = (
                node.rewards[action] + node.bonuses[action] + node.discounts[action] * child.exact_value
            )
        if not node.is_solved:
            return


def take_back(path: Path) -> None:
    """Undo the visits of a descent that came to nothing."""
    for node, action in path:
        node.visits[action] -= 1


def strike(path: Path) -> tuple[int, int]:
    """Strike the last edge of a path, and every edge above it whose node has no other left.

    Returns how many edges were struck, and how many of them had been visited: plans that were torn down.
    """
    struck = torn_down = 0
    for node, action in reversed(path):
        node.is_struck[action] = True
        struck += 1
        torn_down += int(node.done[action] > 0)
        if not node.is_struck.all():
            break
    return struck, torn_down


def returns_to_ancestor(path: Path, key: Hashable) -> bool:
    """Whether the last edge of a path leads to a state of it without reward on the way: a circle that nobody needs."""
    collected = 0.0
    for node, action in reversed(path):
        collected = float(node.rewards[action] + node.discounts[action] * collected)
        if node.position.key == key:
            return collected <= 0
    return False
