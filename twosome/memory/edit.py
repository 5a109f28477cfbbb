"""Memories put together, and parts of one forgotten. Pure; on what `Records.state_dict` holds.

Of an action that both memories know, Q and U are the means weighted by N, and N adds up, as do the visits of the state:
what comes out is what one memory of both experiences would hold (where alpha is 1 / N). A record that is equal in
everything is the same experience and is counted once, so taking in a memory twice, or one's own copy, changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

State = dict[str, Any]  # of `Records.state_dict`
Row = list[Any]  # goal, scene, visits, actions
Which = Callable[[Row], bool]


def merged(mine: State, theirs: State) -> State:
    """Both memories in one. What is only theirs was here longest not met, and so leaves first."""
    known = {(row[0], row[1]): row for row in mine["records"]}
    others = {(row[0], row[1]): row for row in theirs["records"]}
    new = [row for key, row in others.items() if key not in known]
    both = [_both(row, others[key]) if key in others else row for key, row in known.items()]
    return {**mine, "begins": {**theirs["begins"], **mine["begins"]}, "records": [*new, *both]}


def without(state: State, forgets: Which) -> State:
    """A memory without the records that `forgets`; a goal without records has not begun either."""
    kept = [row for row in state["records"] if not forgets(row)]
    goals, before = {row[0] for row in kept}, {row[0] for row in state["records"]}
    begins = {goal: scene for goal, scene in state["begins"].items() if goal in goals or goal not in before}
    return {**state, "begins": begins, "records": kept}


def chosen(goal: str = "", scene: str = "", fewer_than: int | None = None) -> Which:
    """Whether a record is of a goal and a scene with these texts in them, in any letter case, and of fewer visits."""

    def is_chosen(row: Row) -> bool:
        has_texts = goal.casefold() in row[0].casefold() and scene.casefold() in row[1].casefold()
        return has_texts and (fewer_than is None or row[2] < fewer_than)

    return is_chosen


def _both(mine: Row, theirs: Row) -> Row:
    """One record of a state that both know."""
    ours, others = ({phrase: (q, u, n) for phrase, q, u, n in row[3]} for row in (mine, theirs))
    if mine[2] == theirs[2] and ours == others:
        return mine
    actions = [[phrase, *_mean(ours.get(phrase), others.get(phrase))] for phrase in {**ours, **others}]
    return [mine[0], mine[1], mine[2] + theirs[2], actions]


def _mean(a: tuple[float, float, int] | None, b: tuple[float, float, int] | None) -> tuple[float, float, int]:
    if a is None or b is None:
        found = a or b
        assert found is not None
        return found
    n = a[2] + b[2]
    q, u = ((a[2] / n) * x + (b[2] / n) * y for x, y in zip(a[:2], b[:2], strict=True))
    return q, u, n
