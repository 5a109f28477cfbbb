"""One search under way: its descents, its dead ends, the leaves that wait for the model, what it says in the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from twosome.search import gumbel, puct
from twosome.search.playouts import LEAST, Playout, Transitions
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
Bonus = Callable[[Position], float]
Evaluations = dict[Hashable, Evaluation]
"""What the model said, by what it was asked."""


class Root(NamedTuple):
    """Where a search begins: a position, what the model says of it, and the simulator of its world.

    `evaluations`: what the model said in earlier searches, `transitions`: what they met in this world; this one reads
    both and adds to them.
    """

    position: Position
    evaluation: Evaluation
    simulate: Simulate
    evaluations: Evaluations | None = None
    transitions: Transitions | None = None


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
        self.settings, self.node, self.deadline, self.rng = settings, Node(root.position), deadline, rng
        self.is_training, self._simulate = is_training, root.simulate
        self.started = self.known = self.steps = self.struck = self.torn_down = 0
        self.evaluations: Evaluations = {} if root.evaluations is None else root.evaluations
        self.transitions = Transitions() if root.transitions is None else root.transitions
        self._blocked: list[Node] = []
        self._waiting = 0  # leaves of the batch that is being gathered
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

    def simulate(self, position: Position, action: int) -> Outcome:
        """Take an action at a position, and keep what it did."""
        outcome = self._simulate(position, action)
        self.steps += 1
        if self.settings.playouts:
            self.transitions.add(position, action, outcome)
        return outcome

    def playouts(self, leaf: Leaf) -> Iterator[Playout]:
        """The episodes that the policy plays on from a leaf; from the root one of its most probable actions."""
        path, node = leaf
        if node.position.is_final or self.settings.simulations == 0:
            return
        for _ in range(self.settings.playouts if path else min(self.settings.playouts, 1)):
            yield Playout(node.position, self.simulate, self.transitions, self.rng if path else None)

    def next_leaf(self, bonus: Bonus | None) -> Leaf | None:
        """Descend until a node is found that the model must evaluate.

        None when the simulations are used up, or when all ways lead to nodes that wait for the model. Every other
        descent ends a simulation, or strikes or blocks an edge, so this comes to an end.
        """
        self.is_waiting = False
        while not self.is_done and not self.is_waiting:
            leaf = self._descend(bonus)
            if leaf is not None:
                return leaf
        return None

    def learn(self, leaf: Leaf, evaluation: Evaluation) -> None:
        """Note what the model says of a leaf, and hand its value up: the best return known, else the model's."""
        path, node = leaf
        self.evaluations[node.position.asked] = evaluation
        node.expand(evaluation)
        self._waiting = 0
        for blocked in self._blocked:
            blocked.blocked.clear()
        self._blocked.clear()
        known = None if node.position.is_final else self.transitions.best(node.position)
        back_up(path, node.value if known is None else known)
        self._solve(path)

    def result(self) -> Result:
        """What the search says of its root."""
        node, floor = self.node, self.settings.floor
        if self.settings.algorithm == "gumbel":
            action, target = gumbel.final_action(node, self.noise, floor), gumbel.improved(node, floor)
        else:
            action, target = puct.most_visited(node), puct.visit_shares(node)
        value = node.exact_value if node.is_solved else node.mean_value
        if node.n_alive == 0:  # nothing is left: the policy's own choice
            action = int(np.lexsort((node.ranks, -node.log_priors))[0])
        elif node.is_solved:
            action = node.best(node.q)
        if not self.is_training:
            action, value = self._with_plan(action, value)
        return Result(
            action,
            target,
            node.visits.copy(),
            node.q.copy(),
            value,
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
            if action < 0 and node.blocked:
                self._block(path)
                return None
            if action < 0:  # all struck: the edge that led here is a dead end
                self._strike(path)
                return None
            path.append((node, action))
            visit(node, action)
            child = node.children[action] or self._grow(path, bonus)
            if child is None:
                return None
            if child.is_solved and (self._blocked and node.is_exact[action] if self.settings.prune else self._waiting):
                take_back(path)
                self.is_waiting = True  # nothing new is there, and what is new elsewhere waits
                return None
            if child.is_solved:
                back_up(path, child.exact_value)
                if not node.is_exact[action]:
                    self._solve(path)
                self._count_known()
                return None
            if child.is_waiting:
                self._block(path)
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
        """The leaf that waits for the model or a playout; None where the model is known to say what of it."""
        evaluation = self.evaluations.get(node.position.asked)
        if evaluation is None or self.settings.playouts:
            node.is_waiting = True
            self._waiting += 1
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

    def _with_plan(self, action: int, value: float) -> tuple[int, float]:
        """What to do and what it is worth: the best way known to an end, unless the action is known to be as good."""
        node = self.node
        plan = self.transitions.plan(node.position, self.simulate, self.deadline)
        if plan is None:
            return action, value
        first, returned = plan
        known = self.transitions.known(node.position, action)
        if known is not None and known >= returned - LEAST:
            return action, returned
        return (action, value) if known is None and node.q[action] >= returned else (first, returned)

    def _block(self, path: Path) -> None:
        """Keep other descents of this batch from the last edge of a path; where nothing is left at the root, wait."""
        take_back(path)
        if not path:
            self.is_waiting = True
            return
        node, action = path[-1]
        node.blocked.add(action)
        self._blocked.append(node)

    def _strike(self, path: Path) -> None:
        take_back(path)
        struck, torn_down = strike(path)
        self.struck += struck
        self.torn_down += torn_down
        self._solve(path[: len(path) - struck])
