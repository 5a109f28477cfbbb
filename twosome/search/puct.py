"""PUCT: which edge a descent takes, and what a search's visits say (Rosin 2011; Silver et al. 2017). Pure.

    argmax_a  q(a) + c P(a) sqrt(sum_b N(b)) / (1 + N(a))

q is Q scaled by the least and the largest of V(node) and the visited Q, over at least `floor`, so that noise among
equals is not blown up; an action not yet visited has q = 0, the lower end. Before the first visit P alone decides.
"""

from __future__ import annotations

import math

import numpy as np

from twosome.search.tree import Node


def select(node: Node, c: float, floor: float, priors: np.ndarray | None = None) -> int:
    """The action of the next descent; -1 where all are struck. `priors`: instead of the node's own, at a noisy root."""
    weights = node.priors if priors is None else priors
    if node.n == 0:
        return node.best(weights)  # the square root of nothing would make all alike
    return node.best(scaled_q(node, floor) + c * weights * math.sqrt(node.n) / (1 + node.visits))


def scaled_q(node: Node, floor: float) -> np.ndarray:
    """Q between 0 and 1 as far as its spread exceeds `floor`; 0 where nothing came back yet: [A]."""
    low = min(node.value, float(np.fmin.reduce(node.q)))  # a NaN, where nothing is known, leaves the value
    high = max(node.value, float(np.fmax.reduce(node.q)))
    return np.fmax((node.q - low) / max(high - low, floor), 0.0)


def noisy(priors: np.ndarray, ranks: np.ndarray, share: float, alpha: float, rng: np.random.Generator) -> np.ndarray:
    """Priors mixed with Dirichlet noise, drawn in the order of the phrases and not of the menu: [A]."""
    if share == 0 or len(priors) < 2:
        return priors
    return (1 - share) * priors + share * rng.dirichlet(np.full(len(priors), alpha))[ranks]


def visit_shares(node: Node) -> np.ndarray:
    """The share of the visits of every action that is not struck: [A].

    Of a solved node the exactly best ones share all; without visits it is the priors.
    """
    weights = np.where(node.is_struck, 0.0, node.visits)
    if node.is_solved:
        weights = np.where(node.q == node.exact_value, 1.0, 0.0)
    return weights / weights.sum() if weights.any() else node.softmax(node.log_priors)


def most_visited(node: Node) -> int:
    """The action to take: most visited, then of the highest value, then most probable. -1 where all are struck."""
    alike = ~node.is_struck
    for scores in (node.visits, np.where(np.isnan(node.q), -np.inf, node.q), node.log_priors):
        alike &= scores == np.where(alike, scores, -np.inf).max(initial=-np.inf)
    return node.best(np.where(alike, 1.0, 0.0))
