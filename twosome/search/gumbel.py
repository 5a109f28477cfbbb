"""Gumbel search: sequential halving at the root, improved policies inside (Danihelka et al. 2022). Pure.

    root      g ~ Gumbel(0); the m largest g + log P are considered; halving by g + log P + sigma(q-hat)
    inside    argmax_a  pi'(a) - N(a) / (1 + sum_b N(b))                pi' = softmax(log P + sigma(q-hat))
    sigma(q)  = (c_visit + max_b N(b)) c_scale q                        q scaled to [0, 1] over the actions
    q-hat(a)  = Q(a), and v_mix where a was not visited:
    v_mix     = [V + sum_b N(b) sum_{visited} P Q / sum_{visited} P] / (1 + sum_b N(b))

The improved policy pi' is what is learnt; if the values are right it is no worse than the prior at any budget, which
visit counts are not below about A simulations. Constants and the schedule of visits are those of mctx 0.0.71
(Apache-2.0), whose numbers the tests hold; nothing of it is used here. Struck actions are left out of every sum.
"""

from __future__ import annotations

import math

import numpy as np

from twosome.search.tree import Node

C_VISIT, C_SCALE = 50.0, 0.1
TINY = float(np.finfo(float).tiny)


def considered_visits(considered: int, simulations: int) -> tuple[int, ...]:
    """For every simulation how often the action that it takes at the root has been visited before.

    >>> considered_visits(4, 8)
    (0, 0, 0, 0, 1, 1, 2, 2)
    """
    if considered <= 1:
        return tuple(range(simulations))
    rounds = math.ceil(math.log2(considered))
    visits, schedule, left = [0] * considered, list[int](), considered
    while len(schedule) < simulations:
        for _ in range(max(1, simulations // (rounds * left))):
            schedule += visits[:left]
            for k in range(left):
                visits[k] += 1
        left = max(2, left // 2)
    return tuple(schedule[:simulations])


def gumbel_noise(ranks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gumbel(0) noise, drawn in the order of the phrases and not of the menu: [A]."""
    return rng.gumbel(size=len(ranks))[ranks]


def select_root(node: Node, noise: np.ndarray, visits: int, floor: float) -> int:
    """The root's action: of those visited `visits` times the highest g + log P + sigma(q). -1 where all are struck.

    Where dead ends have upset the schedule, those visited most but less often come next, then the others.
    """
    visited = node.visits.tolist()
    due = {n for n, is_struck in zip(visited, node.is_struck.tolist(), strict=True) if not is_struck}
    if not due:
        return -1
    chosen = max((n for n in due if n <= visits), default=min(due))
    return _highest(node, noise, node.visits == chosen, floor)


def select_inside(node: Node, floor: float) -> int:
    """The action that brings the visits nearest to the improved policy. -1 where all are struck."""
    return node.best(improved(node, floor) - node.visits / (1 + node.n))


def final_action(node: Node, noise: np.ndarray, floor: float) -> int:
    """The root's action to take: of the most visited ones the highest g + log P + sigma(q). -1 where all are struck."""
    most = np.max(node.visits, where=~node.is_struck, initial=0)
    return _highest(node, noise, node.visits == most, floor)


def improved(node: Node, floor: float) -> np.ndarray:
    """The improved policy softmax(log P + sigma(q-hat)), struck actions left out: [A]."""
    return node.softmax(node.log_priors + sigma(node, floor))


def sigma(node: Node, floor: float) -> np.ndarray:
    """sigma(q-hat) of every action: [A]."""
    q = _completed(node)
    low = min(q, default=0.0)
    scale = (C_VISIT + node.visits.max(initial=0)) * C_SCALE / max(max(q, default=0.0) - low, floor)
    return np.array([scale * (value - low) for value in q])


def completed_q(node: Node) -> np.ndarray:
    """Q of every action, v_mix where none came back or the action is struck: [A]."""
    return np.array(_completed(node))


def _completed(node: Node) -> list[float]:
    """The same as numbers of Python: menus are short, and this is asked at every step of every descent."""
    q, priors = node.q.tolist(), node.priors.tolist()
    weight = total = 0.0
    n = 0
    for a, value in enumerate(q):
        if value == value:  # a NaN is not equal to itself
            prior = max(priors[a], TINY)
            weight, total, n = weight + prior, total + prior * value, n + node.done[a]
    if not weight:
        return [node.value] * len(q)
    mix = (node.value + n * total / weight) / (1 + n)
    return [value if value == value else mix for value in q]


def _highest(node: Node, noise: np.ndarray, is_due: np.ndarray, floor: float) -> int:
    return node.best(np.where(is_due, noise + node.log_priors + sigma(node, floor), -np.inf))
