"""What happens in the workshop: a stack of open tasks, and what can be done with the one on top. No words.

The stack holds a path of the AND-OR graph: the order, the part of it that is being made, and so on. Every task on it
but the last is split in one way, and its parts are made in turn. What is made stays at hand and serves every later use.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .instances import MOST_WAYS, Instance, instance
from .recipes import FIRST_JOB

GIVE_UP = MOST_WAYS
"""The action that gives up the task on top. The others split it in one of its ways; 0 does it, if it is a job."""

N_ACTIONS = MOST_WAYS + 1

UNSPLIT = -1


class State(NamedTuple):
    """The complete state.

    number: of the instance; stack: (task, index of its way or UNSPLIT) from the order to the task on top; done,
    missing, dropped: sets of tasks as bits: made, tried in vain, given up.
    """

    number: int
    stack: tuple[tuple[int, int], ...]
    done: int = 0
    missing: int = 0
    dropped: int = 0

    @property
    def instance(self) -> Instance:
        """What the number stands for."""
        return instance(self.number)

    def is_done(self, task: int) -> bool:
        """Whether a task is made."""
        return bool(self.done >> task & 1)

    def has_failed(self, task: int) -> bool:
        """Whether a task was tried in vain or given up; it is not tried again."""
        return bool((self.missing | self.dropped) >> task & 1)


def start(number: int) -> State:
    """The order, open."""
    return State(number, ((instance(number).thing, UNSPLIT),))


def legal(state: State) -> tuple[bool, ...]:
    """Which actions can be taken [N_ACTIONS]; none at the end."""
    if not state.stack:
        return (False,) * N_ACTIONS
    task = state.stack[-1][0]
    if task >= FIRST_JOB:
        return (True, *[False] * (MOST_WAYS - 1), True)
    ways = [not any(map(state.has_failed, way)) for way in state.instance.ways[task]]
    return (*ways, *[False] * (MOST_WAYS - len(ways)), True)


def advance(state: State, action: int) -> tuple[State, int]:
    """The next state, and the price paid. An action that cannot be taken changes nothing.

    A job whose material is missing is paid for and fails. When a task fails, every way that needs it is closed: the
    task split that way, mostly the one below on the stack, must be split in another way or be given up too.
    """
    if not legal(state)[action]:
        return state, 0
    below, task = state.stack[:-1], state.stack[-1][0]
    if action == GIVE_UP:
        return _cut(state._replace(dropped=state.dropped | 1 << task)), 0
    if task < FIRST_JOB:
        return _settled(state._replace(stack=(*below, (task, action)))), 0
    price = state.instance.prices[task]
    if task in state.instance.lacking:
        return _cut(state._replace(missing=state.missing | 1 << task)), price
    return _settled(state._replace(done=state.done | 1 << task)), price


def _cut(state: State) -> State:
    """The state after the task on top has failed: the first task whose way needs it is unsplit, and on top."""
    for depth, (task, way) in enumerate(state.stack[:-1]):
        if any(map(state.has_failed, state.instance.ways[task][way])):
            return state._replace(stack=(*state.stack[:depth], (task, UNSPLIT)))
    return state._replace(stack=())


def _settled(state: State) -> State:
    """Tasks that are made leave the stack, and the next part of a split task enters it."""
    stack, done = list(state.stack), state.done
    while stack:
        task, way = stack[-1]
        if done >> task & 1:
            stack.pop()
            continue
        if way == UNSPLIT:
            break
        parts = [part for part in state.instance.ways[task][way] if not done >> part & 1]
        if parts:
            stack.append((parts[0], UNSPLIT))
        else:
            done |= 1 << task
    return state._replace(stack=tuple(stack), done=done)


def estimate(state: State, task: int) -> float:
    """The least price of a task as far as is known: as if nothing else were missing, and nothing served twice.

    0 for what is at hand, infinite where every way has failed.
    """
    if state.is_done(task):
        return 0.0
    if state.has_failed(task):
        return math.inf
    if task >= FIRST_JOB:
        return state.instance.prices[task]
    return min(sum(estimate(state, part) for part in way) for way in state.instance.ways[task])


def has_succeeded(state: State) -> bool:
    """Whether the order is made."""
    return state.is_done(state.instance.thing)
