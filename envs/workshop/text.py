"""The workshop in words: scene, goal and phrases. Knows no rules."""

from __future__ import annotations

import math

from .instances import MOST_WAYS
from .recipes import FIRST_JOB, JOBS, TASKS
from .rules import N_ACTIONS, UNSPLIT, State, estimate, has_succeeded


def goal(state: State) -> str:
    """The goal as a sentence: what is ordered."""
    return f"Make a {TASKS[state.instance.thing]} and spend as little as you can."


def scene(state: State) -> str:
    """The open tasks from the order to the one on top, what is finished, missing and given up."""
    if not state.stack:
        return f"The {TASKS[state.instance.thing]} is {'finished' if has_succeeded(state) else 'given up'}."
    chain = []
    for task, way in state.stack:
        split = "" if way == UNSPLIT else f" split into {_pair(state, task, way)}"
        chain.append(TASKS[task] + split)
    sentences = [f"Open tasks: {', '.join(chain)}."]
    for what, names in (("Finished", finished(state)), ("Missing", missing(state)), ("Given up", dropped(state))):
        if names:
            sentences.append(f"{what}: {', '.join(names)}.")
    return " ".join(sentences)


def finished(state: State) -> list[str]:
    """The tasks that are made."""
    return [TASKS[task] for task in members(state.done)]


def missing(state: State) -> list[str]:
    """The things that are known to be missing."""
    return [JOBS[TASKS[task]][0] for task in members(state.missing)]


def dropped(state: State) -> list[str]:
    """The tasks that are given up."""
    return [TASKS[task] for task in members(state.dropped)]


def members(tasks: int) -> list[int]:
    """The tasks of a set of bits, in order."""
    return [task for task in range(len(TASKS)) if tasks >> task & 1]


def phrases(state: State) -> tuple[str, ...]:
    """The phrase of every action here [N_ACTIONS]; slots without an action say so."""
    if not state.stack:
        return ("stop", *map(unused, range(1, N_ACTIONS)))
    task = state.stack[-1][0]
    if task >= FIRST_JOB:
        found = [f"{TASKS[task]} (price {state.instance.prices[task]})"]
    else:
        found = [f"split into {_priced(state, a)} and {_priced(state, b)}" for a, b in state.instance.ways[task]]
    return (*found, *map(unused, range(len(found), MOST_WAYS)), "give up")


def unused(slot: int) -> str:
    """The phrase of a slot without an action."""
    return f"(unused {slot})"


def _pair(state: State, task: int, way: int) -> str:
    first, second = state.instance.ways[task][way]
    return f"{TASKS[first]} and {TASKS[second]}"


def _priced(state: State, task: int) -> str:
    """A part with its price, or the least that it may cost."""
    price = estimate(state, task)
    if state.is_done(task):
        return f"{TASKS[task]} (at hand)"
    if math.isinf(price):
        return f"{TASKS[task]} (no way left)"
    return f"{TASKS[task]} ({'price' if task >= FIRST_JOB else 'from'} {price:g})"
