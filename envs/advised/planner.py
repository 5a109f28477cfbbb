"""Who knows what to do: the best action of every state of a world, by dynamic programming over all of them."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from ..agent.agent import SealedError
from ..agent.around import Around
from ..agent.inner import restorable
from .graph import Graph, explored

CLOSE = 1e-9
"""Values that differ by no more are equal; then the action counts that leads to an end sooner."""
EXACT = 1e-15
"""Share of a value that discounting has left when nothing more of it is waited for."""
PLANNERS, ROOM = 16, 4
"""Planners kept for worlds to come; states that each keeps, as a multiple of the most that one search may find."""


class Best(NamedTuple):
    """The best action of a state, as an index of the menu, and the discounted return that it leads to."""

    action: int
    value: float


def best_actions(graph: Graph, gamma: float) -> dict[Hashable, Best]:
    """Of every state the best action; of equal ones that from which an end is nearest, then the first of the menu.

    `gamma`: discount per primitive step; no time limit is looked at. Raises `ValueError` for a world without
    discount in which a circle pays, or nothing but a circle is left that costs: its returns have no bound.
    """
    n = len(graph.states)
    first = np.flatnonzero(np.r_[True, graph.source[1:] != graph.source[:-1]])
    discount, values = gamma**graph.duration, np.zeros(n + 1)
    sweeps = n + 1 + (math.ceil(math.log(EXACT) / math.log(gamma)) if gamma < 1 else 0)
    for _ in range(sweeps):
        worth = graph.reward + discount * values[graph.target]
        before, values = values, np.append(np.maximum.reduceat(worth, first), 0.0)
        if np.array_equal(before, values):
            break
    else:
        if gamma == 1:
            raise ValueError(
                "no best plan: with gamma 1 this world has circles that pay, or states that no plan leaves and that "
                "cost, so that returns have no bound. Give the world a discount."
            )
    is_best = worth >= values[graph.source] - CLOSE
    ways = np.append(np.full(n, np.inf), 0.0)  # primitive steps to an end by best actions alone
    for _ in range(n + 1):
        steps = np.where(is_best, graph.duration + ways[graph.target], np.inf)
        before, ways = ways, np.append(np.minimum.reduceat(steps, first), 0.0)
        if np.array_equal(before, ways):
            break
    chosen = np.flatnonzero(is_best & (steps == ways[graph.source]))
    _, where = np.unique(graph.source[chosen], return_index=True)
    best = zip(graph.action[chosen[where]].tolist(), values.tolist(), strict=False)
    return {state: Best(*entry) for state, entry in zip(graph.states, best, strict=True)}


class Planner:
    """The best actions of a deterministic world, found once for every state that an episode can come to.

    gamma: discount per primitive step. most: states of a search, at most.
    """

    def __init__(self, gamma: float, most: int):
        self.gamma, self.most = gamma, most
        self._known: dict[Hashable, Best] = {}

    def best(self, world: gymnasium.Env, here: Any, start: Any) -> Best:
        """The best action at a snapshot of the world, of an episode that began at another; the world ends up `here`.

        Raises `ValueError` where it cannot be found.
        """
        state = here.state if hasattr(here, "state") else None
        try:
            for begin in (start, here):  # what only a masked action reaches is not found from the start
                if state not in self._known:
                    self._search(world, begin)
        finally:
            restorable(world).restore(here)
        if state not in self._known:
            raise ValueError(f"{world} has no legal action here, so there is nothing to advise.")
        return self._known[state]

    def clear(self) -> None:
        """Forget everything; it is found again when it is asked for."""
        self._known.clear()

    def _search(self, world: gymnasium.Env, start: Any) -> None:
        around = world if isinstance(world, Around) else None
        was_sealed = around is not None and around.sealed
        try:
            if around is not None:
                around.sealed = True
            graph = explored(world, start, self.most)
        except SealedError as error:
            raise ValueError(f"{world} asks outside, so nobody can plan in it: {error}") from error
        finally:
            if around is not None:
                around.sealed = was_sealed
        if len(self._known) > (ROOM - 1) * self.most:
            self._known.clear()
        if graph.states:
            self._known.update(best_actions(graph, self.gamma))


_planners: dict[str, Planner] = {}


def planner_of(world: Mapping[str, Any] | gymnasium.Env, gamma: float, most: int) -> Planner:
    """The planner of a world; worlds that are made by the same id and arguments share one."""
    if isinstance(world, gymnasium.Env):
        return Planner(gamma, most)
    try:
        key = json.dumps([dict(world), gamma, most], sort_keys=True)
    except TypeError:  # arguments that are more than data
        return Planner(gamma, most)
    if key not in _planners and len(_planners) >= PLANNERS:
        del _planners[next(iter(_planners))]
    return _planners.setdefault(key, Planner(gamma, most))
