"""PUCT: which edge a descent takes, and what a search's visits say (Rosin 2011; Silver et al. 2017). Pure.

    argmax_a  q(a) + c P(a) sqrt(sum_b N(b)) / (1 + N(a))

q is Q scaled by the least and the largest of V(node) and the visited Q, over at least `floor`, so that noise among
equals is not blown up; an action not yet visited has q = 0, the lower end.
"""

from __future__ import annotations

import numpy as np

from twosome.search.tree import Node


def select(node: Node, c: float, floor: float, priors: np.ndarray | None = None) -> int:
    """The action of the next descent; -1 where all are struck. `priors`: instead of the node's own, at a noisy root."""
    weights = node.priors if priors is None else priors
    exploration = c * weights * np.sqrt(node.visits.sum()) / (1 + node.visits)
    if not node.visits.any():
        exploration = weights  # the square root of nothing would make all alike
    return node.best(scaled_q(node, floor) + exploration)


def scaled_q(node: Node, floor: float) -> np.ndarray:
    """Q between 0 and 1 as far as its spread exceeds `floor`; 0 where nothing came back yet: [A]."""
    q = node.q
    is_known = ~np.isnan(q)
    if not is_known.any():
        return np.zeros(len(q))
    low = min(node.value, q[is_known].min())
    high = max(node.value, q[is_known].max())
    return np.where(is_known, (np.where(is_known, q, low) - low) / max(high - low, floor), 0.0)


def noisy(priors: np.ndarray, ranks: np.ndarray, share: float, alpha: float, rng: np.random.Generator) -> np.ndarray:
    """Priors mixed with Dirichlet noise, drawn in the order of the phrases and not of the menu: [A]."""
    if share == 0 or len(priors) < 2:
        return priors
    return (1 - share) * priors + share * rng.dirichlet(np.full(len(priors), alpha))[ranks]


def visit_shares(node: Node) -> np.ndarray:
    """The share of the visits of every action, struck ones left out: [A]; the priors where none is left."""
    counts = np.where(node.is_struck, 0, node.visits)
    return counts / counts.sum() if counts.sum() else node.priors / node.priors.sum()


def most_visited(node: Node) -> int:
    """The action to take: most visited, then of the highest value, then most probable. -1 where all are struck."""
    q = np.nan_to_num(node.q, nan=-np.inf)
    order = np.lexsort((node.log_priors, q, node.visits))
    place = np.empty(len(order))
    place[order] = np.arange(len(order))
    ties = np.stack([node.visits, q, node.log_priors], axis=1)
    first_alike = [np.flatnonzero((ties == row).all(axis=1)).max() for row in ties]
    return node.best(place[first_alike])
