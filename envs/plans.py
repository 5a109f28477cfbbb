"""The best plan of a deterministic world, by exhaustive search over its states. Knows no world."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple, TypeVar

StateT = TypeVar("StateT", bound=Hashable)


class Plan(NamedTuple):
    """Actions from the start, and what they bring: the discounted return."""

    value: float
    actions: tuple[int, ...]


def best_plan(
    start: StateT, results: Callable[[StateT], Iterable[tuple[int, StateT, float, bool]]], gamma: float, limit: int
) -> Plan:
    """The plan of the largest discounted return within a number of steps, of equal ones the shortest that comes first.

    Breadth first, one layer for every step. Where no reward is negative and nothing grows with time, a state that is
    reached again later, with no more earned so far, cannot lead to more, and is not followed a second time.

    Args:
        results: of a state every action with the state after it, its reward (0 or more) and whether it ends.
        gamma: discount per step, at most 1.
        limit: steps at most.

    Raises:
        ValueError: a reward below zero, or a discount outside of 0 to 1.
    """
    if not 0.0 <= gamma <= 1.0:
        raise ValueError(f"gamma must be from 0 to 1, got {gamma}.")
    best = Plan(0.0, ())
    earned, layer = {start: 0.0}, {start: best}
    for step in range(limit):
        following: dict[StateT, Plan] = {}
        for state, (value, actions) in layer.items():
            for action, after, reward, is_over in results(state):
                if reward < 0:
                    raise ValueError(f"a reward must be 0 or more, got {reward} for action {action} in {state}.")
                plan = Plan(value + gamma**step * reward, (*actions, action))
                if plan.value > best.value:
                    best = plan
                if not is_over and plan.value > earned.get(after, -1.0):
                    earned[after] = plan.value
                    following[after] = plan
        layer = following
    return best
