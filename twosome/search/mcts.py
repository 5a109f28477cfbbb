"""The search itself: descents of several trees side by side, their leaves evaluated together, within a budget.

It ends: every descent uses up a simulation, strikes an edge for good, or waits for the model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twosome.search.descents import Bonus, Leaf, Result, Root, Tree
from twosome.search.playouts import Playout
from twosome.search.tree import Evaluation, Position

if TYPE_CHECKING:
    from twosome.config.schema import SearchSettings

Model = Callable[[list[Position]], list[Evaluation]]


@dataclass
class Cost:
    """What searches took.

    `passes`: calls of the model; `leaves`: positions it was asked about; `not_finite`: answers of it that held a NaN or
    an infinity; `steps`: simulated; `seconds`: on the clock.
    """

    passes: int = 0
    leaves: int = 0
    not_finite: int = 0
    steps: int = 0
    seconds: float = 0.0

    def add(self, other: Cost) -> None:
        """Add another search's cost."""
        self.passes += other.passes
        self.leaves += other.leaves
        self.not_finite += other.not_finite
        self.steps += other.steps
        self.seconds += other.seconds


def search(
    roots: list[Root],
    model: Model,
    settings: SearchSettings,
    rng: np.random.Generator,
    *,
    is_training: bool = False,
    bonus: Bonus | None = None,
) -> tuple[list[Result], Cost]:
    """Search from every root; the leaves of all trees meet in one call of the model.

    `is_training` draws noise at the roots. `bonus`: an exploration bonus of a position, added to the rewards in the
    trees alone.
    """
    begun = time.perf_counter()
    deadline = np.inf if settings.max_seconds is None else begun + settings.max_seconds
    cost = Cost()
    trees = [Tree(root, settings, rng, is_training=is_training, deadline=deadline) for root in roots]
    cost.not_finite += sum(not root.evaluation.fits(root.position) for root in roots)
    _play_out([(tree, playout) for tree in trees for playout in tree.playouts(([], tree.node))], model, settings, cost)
    while _may_ask(settings, cost):
        leaves = [(tree, leaf) for tree in trees for leaf in _leaves_of(tree, bonus)]
        if not leaves:
            break
        _ask([(tree, node.position) for tree, (_, node) in leaves], model, cost)
        _play_out([(tree, playout) for tree, leaf in leaves for playout in tree.playouts(leaf)], model, settings, cost)
        for tree, (path, node) in leaves:
            tree.learn((path, node), tree.evaluations[node.position.asked])
    results = [tree.result() for tree in trees]
    cost.steps = sum(tree.steps for tree in trees)
    cost.seconds = max(0.0, time.perf_counter() - begun)
    return results, cost


def _may_ask(settings: SearchSettings, cost: Cost) -> bool:
    return settings.max_passes is None or cost.passes < settings.max_passes


def _ask(questions: list[tuple[Tree, Position]], model: Model, cost: Cost) -> None:
    """Ask the model, in one call, about all positions of which it is not known what it says."""
    unknown = {
        (id(tree.evaluations), position.asked): (tree.evaluations, position)
        for tree, position in questions
        if position.asked not in tree.evaluations
    }
    if not unknown:
        return
    cost.passes += 1
    cost.leaves += len(unknown)
    answers = model([position for _, position in unknown.values()])
    for (known, position), evaluation in zip(unknown.values(), answers, strict=True):
        known[position.asked] = evaluation
        cost.not_finite += not evaluation.fits(position)


def _play_out(playouts: list[tuple[Tree, Playout]], model: Model, settings: SearchSettings, cost: Cost) -> None:
    """Play playouts side by side to their ends, or as far as passes and time go."""
    while playouts := [(tree, playout) for tree, playout in playouts if playout.waits_for is not None]:
        questions = [(tree, position) for tree, playout in playouts if (position := playout.waits_for) is not None]
        is_known = all(position.asked in tree.evaluations for tree, position in questions)
        if not (is_known or _may_ask(settings, cost)) or time.perf_counter() >= playouts[0][0].deadline:
            return
        _ask(questions, model, cost)
        for (tree, playout), (_, position) in zip(playouts, questions, strict=True):
            playout.advance(position, tree.evaluations[position.asked])


def _leaves_of(tree: Tree, bonus: Bonus | None) -> Iterator[Leaf]:
    """The leaves of a tree that can be evaluated together."""
    for _ in range(tree.settings.batch):
        leaf = tree.next_leaf(bonus)
        if leaf is None:
            return
        yield leaf
