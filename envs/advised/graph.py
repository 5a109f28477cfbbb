"""The states of a world, found through its snapshots, and what its actions do there. Knows no world."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Hashable
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from ..agent.inner import Restorable


class Graph(NamedTuple):
    """What every legal action of every state does, in E entries: those of a state beside each other, in its order.

    states: the N states in which something can be done, the first of them where it began.
    source: int [E], the state by its number. action: int [E], its index in the menu. reward: float [E].
    duration: int [E], primitive steps. target: int [E], the state that follows; N for none: an end, or a state that is
    out of reach within the world's time limit.
    """

    states: tuple[Hashable, ...]
    source: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    duration: np.ndarray
    target: np.ndarray


class _Way(NamedTuple):
    source: int
    action: int
    reward: float
    duration: int
    state: Hashable
    is_end: bool


def explored(world: gymnasium.Env, start: Any, most: int) -> Graph:
    """All that can be reached by legal actions from a snapshot of a deterministic world, which then stands there again.

    In the order of time, so that a time limit keeps out only what nobody reaches within it; the world is not asked
    whether an action still would have been in time.

    Raises:
        ValueError: snapshots that do not say what the state is, or more than `most` states.
    """
    inside: Any = world
    assert isinstance(inside, Restorable)
    if not hasattr(start, "state"):
        raise ValueError(
            f"{world} keeps its actions as its snapshot, which says nothing of its state, so no planner can tell what "
            "it has seen: give its snapshots a `state` (as twosome_envs.base.MenuEnv has), or leave the adviser out."
        )
    numbers: dict[Hashable, int] = {}
    ways: list[_Way] = []
    try:
        queue, order = [(0, 0, start)], itertools.count(1)
        while queue:
            time, _, snapshot = heapq.heappop(queue)
            if snapshot.state in numbers:
                continue
            _, info = inside.restore(snapshot)
            legal = np.flatnonzero(info.get("action_mask", np.ones(len(info["actions"]), bool)))
            if not legal.size:
                continue
            source = numbers[snapshot.state] = len(numbers)
            if len(numbers) > most:
                raise ValueError(
                    f"{world} has more than {most:,} states, too many for an adviser that plans through all of them: "
                    "give more (states=...), or take a smaller world."
                )
            for action in map(int, legal):
                inside.restore(snapshot)
                _, reward, terminated, truncated, info = world.step(action)
                after: Any = inside.snapshot()
                ways.append(_Way(source, action, float(reward), int(info["duration"]), after.state, bool(terminated)))
                if not (terminated or truncated) and after.state not in numbers:
                    heapq.heappush(queue, (time + ways[-1].duration, next(order), after))
    finally:
        inside.restore(start)
    n = len(numbers)
    return Graph(
        tuple(numbers),
        np.array([way.source for way in ways], int),
        np.array([way.action for way in ways], int),
        np.array([way.reward for way in ways], float),
        np.array([way.duration for way in ways], int),
        np.array([n if way.is_end else numbers.get(way.state, n) for way in ways], int),
    )
