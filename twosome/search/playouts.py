"""Playouts: the policy alone plays on from a leaf, and what it meets is kept as the best known way to an end. Pure.

A critic that has not met a reward yet says the same of every position, but a policy that sometimes comes to the end
shows the way there. Worlds that repeat themselves make such an episode a fact: every transition met is kept, and a new
one hands the best return known from its position up to all positions before it, across episodes (prioritized sweeping,
Moore & Atkeson 1993; memory of the best sequence as in nested Monte Carlo search, Cazenave 2009). What is known is
never more than what can be earned, as long as time is left: a plan is played through before it is believed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

import numpy as np

from twosome.search.tree import Evaluation, Node, Outcome, Position

MOST_STEPS = 1000  # of a playout or a plan, in worlds that never end
MOST_SWEEPS = 10_000  # returns that one transition may correct; what is left is known a little too low
UNKNOWN = 0.0, -1  # a return that nothing is known of, and the action that leads to it
LEAST = 1e-9  # by which one return is more than another

Simulate = Callable[[Position, int], Outcome]


class Transitions:
    """What is known of a world: transitions, and from every position the best return that they lead to."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[Hashable, int], tuple[float, float, Hashable]] = {}
        self._before: dict[Hashable, list[tuple[Hashable, int]]] = {}
        self._best: dict[Hashable, tuple[float, int]] = {}
        self._draws: dict[Hashable, np.ndarray] = {}

    def add(self, position: Position, action: int, outcome: Outcome) -> None:
        """Keep what an action did, and correct the best returns of all positions that lead there."""
        edge = _key(position), action
        if edge in self._outcomes:
            return
        after = _key(outcome.position)
        if outcome.position.is_final:
            self._best[after] = 0.0, -1  # nothing is left to earn, and to do
        self._outcomes[edge] = outcome.reward, outcome.discount, after
        self._before.setdefault(after, []).append(edge)
        self._sweep(edge)

    def draws(self, position: Position) -> np.ndarray:
        """How often playouts have drawn every action of a position, to be counted on: [A]."""
        return self._draws.setdefault((position.key, position.phrases), np.zeros(len(position.phrases)))

    def best(self, position: Position) -> float | None:
        """The best return known from a position to an end; None where no end is known."""
        found = self._best.get(_key(position))
        return None if found is None else found[0]

    def known(self, position: Position, action: int) -> float | None:
        """The best return known to follow an action; None where no end is known."""
        reward, discount, after = self._outcomes.get((_key(position), action), (0.0, 0.0, None))
        return reward + discount * self._best[after][0] if after in self._best else None

    def plan(self, position: Position, simulate: Simulate, deadline: float = float("inf")) -> tuple[int, float] | None:
        """The first action of the best way known to an end, and the return of the whole, played through.

        None where no end is known, or where the way does not hold what it promises: time runs out, or positions that
        look equal are not. `deadline`: on `time.perf_counter`, when it is given up.
        """
        promised, first = self._best.get(_key(position), UNKNOWN)
        if first < 0:
            return None
        returned, weight = 0.0, 1.0
        for _ in range(MOST_STEPS):
            action = self._best.get(_key(position), UNKNOWN)[1]
            if not 0 <= action < len(position.phrases) or time.perf_counter() >= deadline:
                break
            outcome = simulate(position, action)
            returned, weight, position = returned + weight * outcome.reward, weight * outcome.discount, outcome.position
        return (first, returned) if position.is_final and returned >= promised - LEAST else None

    def _sweep(self, edge: tuple[Hashable, int]) -> None:
        waiting = [edge]
        for _ in range(MOST_SWEEPS):
            if not waiting:
                return
            key, action = waiting.pop()
            reward, discount, after = self._outcomes[key, action]
            known = self._best.get(after)
            if known is None:
                continue
            returned = reward + discount * known[0]
            if key not in self._best or returned > self._best[key][0] + LEAST:
                self._best[key] = returned, action
                waiting += self._before.get(key, [])


class Playout:
    """An episode that the policy plays on from a position, a step whenever the model has been asked.

    `waits_for`: the position that it must be asked about next; None at the end. `rng` draws from P(a) / (1 + n(a)), n
    being how often the action was taken there before, so that no way is gone over and over; None takes the most
    probable action, and ends where that leads in a circle.
    """

    def __init__(
        self, position: Position, simulate: Simulate, transitions: Transitions, rng: np.random.Generator | None
    ):
        self.simulate, self.transitions, self.rng = simulate, transitions, rng
        self.steps = 0
        self.waits_for: Position | None = position
        self._met: set[Hashable] = set()

    def advance(self, position: Position, evaluation: Evaluation) -> None:
        """One step, by what the model says of the position that is waited for."""
        node = Node(position)
        node.expand(evaluation)
        after = self.simulate(position, self._choose(node)).position
        self.steps += 1
        self._met.add(position.key)
        is_circle = self.rng is None and after.key in self._met
        self.waits_for = None if after.is_final or is_circle or self.steps >= MOST_STEPS else after

    def _choose(self, node: Node) -> int:
        if self.rng is None:
            return node.best(node.priors)
        weights = node.priors / (1 + self.transitions.draws(node.position))
        order = np.argsort(node.ranks)  # drawn in the order of the phrases and not of the menu
        shares = np.cumsum(weights[order])
        place = int(np.searchsorted(shares, self.rng.random() * shares[-1], side="right"))
        action = int(order[min(place, len(order) - 1)])
        self.transitions.draws(node.position)[action] += 1
        return action


def _key(position: Position) -> Hashable:
    """A position that nothing can be done in is another one, though it look the same: time has run out there."""
    return position.key, position.is_final
