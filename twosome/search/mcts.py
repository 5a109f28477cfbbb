"""The search itself: descents of several trees side by side, their leaves evaluated together, within a budget.

It ends: every descent uses up a simulation, waits for the model, or strikes an edge for good.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from twosome.search import gumbel, puct
from twosome.search.tree import (
    Evaluation,
    Node,
    Outcome,
    Path,
    Position,
    back_up,
    returns_to_ancestor,
    solve,
    strike,
    take_back,
    visit,
)

if TYPE_CHECKING:
    from twosome.config.schema import SearchSettings

Simulate = Callable[[Position, int], Outcome]
Model = Callable[[list[Position]], list[Evaluation]]
Bonus = Callable[[Position], float]
Evaluations = dict[Hashable, Evaluation]
"""What the model said, by what it was asked."""


class Root(NamedTuple):
    """Where a search begins: a position, what the model says of it, and the simulator of its world.

    `evaluations`: what the model said in earlier searches; this one reads it and adds to it.
    """

    position: Position
    evaluation: Evaluation
    simulate: Simulate
    evaluations: Evaluations | None = None


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


@dataclass(frozen=True)
class Result:
    """What a search found at its root; arrays are [A], over the position's phrases.

    `action`: to take; `target`: the distribution to learn; `visits`, `q` (NaN where not visited or struck) and
    `is_struck` per action; `value`: of the root after the search; `struck`: edges struck in the whole tree, `torn_down`
    those that had been visited.
    """

    action: int
    target: np.ndarray
    visits: np.ndarray
    q: np.ndarray
    value: float
    is_struck: np.ndarray
    struck: int
    torn_down: int
    simulations: int
    root: Node


Leaf = tuple[Path, Node]
FREE = 4  # descents into what is known, per simulation, that are not counted as one


class Tree:
    """One search under way. `deadline`: on `time.perf_counter`, when it must end.

    `evaluations`: what the model said so far; a state met again on another way is not asked about again.
    """

    def __init__(
        self, root: Root, settings: SearchSettings, rng: np.random.Generator, *, is_training: bool, deadline: float
    ):
        self.simulate, self.settings, self.node, self.deadline = root.simulate, settings, Node(root.position), deadline
        self.started = self.known = self.steps = self.struck = self.torn_down = self.not_finite = 0
        self.evaluations: Evaluations = {} if root.evaluations is None else root.evaluations
        self.learn(([], self.node), root.evaluation)
        self.grew = False
        self.is_waiting = False
        n = len(root.position.phrases)
        is_gumbel = settings.algorithm == "gumbel"
        self.noise = gumbel.gumbel_noise(self.node.ranks, rng) if is_gumbel and is_training else np.zeros(n)
        share = settings.noise_share if is_training and not is_gumbel else 0.0
        self.priors = puct.noisy(self.node.priors, self.node.ranks, share, settings.noise_alpha, rng)
        self.schedule = gumbel.considered_visits(min(n, settings.considered), settings.simulations)

    @property
    def is_done(self) -> bool:
        """Whether simulations or time are used up, or nothing is left to find out."""
        is_over = self.started >= self.settings.simulations or time.perf_counter() >= self.deadline
        return is_over or self.node.is_solved or self.node.n_alive == 0

    def next_leaf(self, bonus: Bonus | None) -> Leaf | None:
        """Descend until a node is found that the model must evaluate.

        None when the simulations are used up, or when a descent meets a node that waits for the model: then the rest
        must wait too. Every other descent ends a simulation or strikes an edge, so this comes to an end.
        """
        self.is_waiting = False
        while not self.is_done and not self.is_waiting:
            leaf = self._descend(bonus)
            if leaf is not None:
                return leaf
        return None

    def learn(self, leaf: Leaf, evaluation: Evaluation) -> None:
        """Note what the model says of a leaf, and hand its value up."""
        path, node = leaf
        self.evaluations[node.position.asked] = evaluation
        self.not_finite += not node.expand(evaluation)
        back_up(path, node.value)
        self._solve(path)

    def result(self) -> Result:
        """What the search says of its root."""
        node, floor = self.node, self.settings.floor
        if self.settings.algorithm == "gumbel":
            action, target = gumbel.final_action(node, self.noise, floor), gumbel.improved(node, floor)
        else:
            action, target = puct.most_visited(node), puct.visit_shares(node)
        if node.is_solved:
            action = node.best(node.q)
        elif node.n_alive == 0:  # nothing is left: the policy's own choice
            action = int(np.lexsort((node.ranks, -node.log_priors))[0])
        return Result(
            action,
            target,
            node.visits.copy(),
            node.q.copy(),
            node.exact_value if node.is_solved else node.mean_value,
            node.is_struck.copy(),
            self.struck,
            self.torn_down,
            self.started,
            node,
        )

    def _descend(self, bonus: Bonus | None) -> Leaf | None:
        path: Path = []
        node, self.grew = self.node, False
        while True:
            action = self._select(node, is_root=not path)
            if action < 0:  # all struck: the edge that led here is a dead end
                self._strike(path)
                return None
            path.append((node, action))
            visit(node, action)
            child = node.children[action] or self._grow(path, bonus)
            if child is None:
                return None
            if child.is_solved:
                back_up(path, child.exact_value)
                if not node.is_exact[action]:
                    self._solve(path)
                self._count_known()
                return None
            if child.is_waiting:
                take_back(path)
                self.is_waiting = True
                return None
            if not child.is_expanded:
                self.started += 1
                return self._ask(path, child)
            node = child

    def _select(self, node: Node, *, is_root: bool) -> int:
        s = self.settings
        if s.algorithm == "puct":
            return puct.select(node, s.c, s.floor, self.priors if is_root else None)
        if is_root:
            return gumbel.select_root(node, self.noise, self.schedule[self.started], s.floor)
        return gumbel.select_inside(node, s.floor)

    def _grow(self, path: Path, bonus: Bonus | None) -> Node | None:
        """The child behind the last edge of a path; None where that is a dead end."""
        node, action = path[-1]
        outcome = self.simulate(node.position, action)
        self.steps += 1
        node.rewards[action], node.discounts[action] = outcome.reward, outcome.discount
        node.bonuses[action] = 0.0 if bonus is None else bonus(outcome.position)
        if self.settings.prune and self._is_dead_end(path, outcome):
            self._strike(path)
            return None
        child = node.children[action] = Node(outcome.position)
        self.grew = True
        return child

    @staticmethod
    def _is_dead_end(path: Path, outcome: Outcome) -> bool:
        """A failure, or a circle, that earns nothing; what ends in a state of its path is no circle."""
        if outcome.position.is_final:
            return outcome.is_failure and outcome.reward <= 0
        return returns_to_ancestor(path, outcome.position.key)

    def _ask(self, path: Path, node: Node) -> Leaf | None:
        """The leaf that the model must evaluate; None where it did so before, on another way to the same state."""
        evaluation = self.evaluations.get(node.position.asked)
        if evaluation is None:
            node.is_waiting = True
            return path, node
        node.expand(evaluation)
        back_up(path, node.value)
        self._solve(path)
        return None

    def _count_known(self) -> None:
        """A descent into what is known costs neither a step nor a pass: PUCT has some of them free."""
        s = self.settings
        if s.prune and s.algorithm == "puct" and self.known < FREE * s.simulations and not self.grew:
            self.known += 1
        else:
            self.started += 1

    def _solve(self, path: Path) -> None:
        if self.settings.prune:
            solve(path)

    def _strike(self, path: Path) -> None:
        take_back(path)
        struck, torn_down = strike(path)
        self.struck += struck
        self.torn_down += torn_down
        self._solve(path[: len(path) - struck])


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
    while settings.max_passes is None or cost.passes < settings.max_passes:
        leaves = [(tree, leaf) for tree in trees for leaf in _leaves_of(tree, bonus)]
        if not leaves:
            break
        cost.passes += 1
        cost.leaves += len(leaves)
        evaluations = model([node.position for _, (_, node) in leaves])
        for (tree, leaf), evaluation in zip(leaves, evaluations, strict=True):
            tree.learn(leaf, evaluation)
    cost.steps, cost.not_finite = sum(tree.steps for tree in trees), sum(tree.not_finite for tree in trees)
    cost.seconds = max(0.0, time.perf_counter() - begun)
    return [tree.result() for tree in trees], cost


def _leaves_of(tree: Tree, bonus: Bonus | None) -> Iterator[Leaf]:
    """The leaves of a tree that can be evaluated together."""
    for _ in range(tree.settings.batch):
        leaf = tree.next_leaf(bonus)
        if leaf is None:
            return
        yield leaf
