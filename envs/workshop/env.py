"""The workshop as a gymnasium environment: `WorkshopEnv(split=..., instance=...)`."""

from __future__ import annotations

import math
from typing import Any, SupportsIndex

import numpy as np

from ..arguments import action_index, unknown
from ..base import Menu, MenuEnv, Outcome
from . import rules, text
from .instances import N_TEST, N_TRAIN, SPLITS
from .optimum import COST, optimum
from .recipes import FIRST_JOB, TASKS
from .rules import N_ACTIONS, State

HIGHEST_PRICE = 99
"""Larger prices, also infinite ones, are observed as this."""


class WorkshopEnv(MenuEnv[State]):
    """An order is split into parts and these into jobs, on a stack of open tasks, at the least price.

    Recipes, prices and what is missing are those of an instance, generated from a number and alike in every episode of
    it. A task is split in one of up to three ways into two parts, both of which are needed; a job is done. A job whose
    material is missing is paid for and fails. What failed or is given up is not tried again, and a task that was split
    into it must be split in another way or be given up too. What is made stays at hand and serves every later use. What
    is missing shows only when a job fails; the prices in a menu are the least that a part may cost.

    Reward: minus `optimum.COST` times the price of every job, and 1 when the order is finished; giving up the order
    ends the episode as a failure. A masked action does nothing and counts as a step. `info["optimum"]` after `reset` is
    the best return of the instance.

    The vector holds, for every task of `recipes.TASKS`, whether it is on the stack, on top of it, made, missing and
    given up, and then the least prices of the first three actions.

    Args:
        split: where `reset` draws the instance of the episode from: `train` (800), `test` (200 others) or `all`. Equal
            seeds draw equal instances.
        instance: the number of the instance for every episode, instead of a drawn one.
        render_mode: `rgb_array`, `ansi` or None.

    Raises:
        ValueError: a split or an instance that does not exist.
    """

    gamma = 1.0
    max_steps = 100

    def __init__(self, split: str = "train", instance: SupportsIndex | None = None, render_mode: str | None = None):
        if not isinstance(split, str) or split not in SPLITS:
            raise ValueError(unknown("split", split, SPLITS))
        self.numbers: range = SPLITS[split] if instance is None else _checked(instance)
        highest = np.ones(5 * len(TASKS) + N_ACTIONS - 1)
        highest[5 * len(TASKS) :] = HIGHEST_PRICE
        super().__init__(N_ACTIONS, highest, render_mode)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode with a drawn instance, as `MenuEnv.reset` does, with `info["optimum"]`: float."""
        observation, info = super().reset(seed=seed, options=options)
        info["optimum"] = optimum(self._current("reset()").number)
        return observation, info

    def instances(self) -> list[dict[str, Any]]:
        """Of every instance that `reset` may draw the arguments that make it the only one."""
        return [{"instance": number} for number in self.numbers]

    def _start(self) -> State:
        return rules.start(self.numbers[int(self.np_random.integers(len(self.numbers)))])

    def _transition(self, state: State, action: int) -> Outcome[State]:
        after, price = rules.advance(state, action)
        is_over = bool(state.stack) and not after.stack
        success = is_over and rules.has_succeeded(after)
        return Outcome(after, (float(success) - COST * price,), success, is_over and not success)

    def _scene(self, state: State) -> str:
        return text.scene(state)

    def _goal(self, state: State) -> str:
        return text.goal(state)

    def _menu(self, state: State) -> Menu:
        is_legal = rules.legal(state) if state.stack else (True, *[False] * (N_ACTIONS - 1))
        return Menu(text.phrases(state), is_legal)

    def _vector(self, state: State) -> np.ndarray:
        bits = np.zeros((5, len(TASKS)), np.float32)
        stack = [task for task, _ in state.stack]
        bits[0, stack] = 1
        bits[1, stack[-1:]] = 1
        for row, tasks in enumerate((state.done, state.missing, state.dropped), 2):
            bits[row, text.members(tasks)] = 1
        return np.append(bits.ravel(), np.array(_prices(state), np.float32))

    def _ansi(self, state: State) -> str:
        from . import drawing

        return drawing.characters(state)

    def _picture(self, state: State) -> np.ndarray:
        from . import drawing

        return drawing.picture(state)


def _prices(state: State) -> list[float]:
    """The least prices of the first actions [N_ACTIONS - 1]; 0 where there is none."""
    if not state.stack:
        return [0.0] * (N_ACTIONS - 1)
    task = state.stack[-1][0]
    ways = state.instance.ways[task] if task < FIRST_JOB else ((task,),)
    prices = [sum(rules.estimate(state, part) for part in way) for way in ways]
    shown = [HIGHEST_PRICE if math.isinf(price) else float(min(price, HIGHEST_PRICE)) for price in prices]
    return shown + [0.0] * (N_ACTIONS - 1 - len(shown))


def _checked(number: SupportsIndex) -> range:
    """The range of one instance. Raises ValueError for anything but its number."""
    index = action_index(number, N_TRAIN + N_TEST)
    if index is None:
        raise ValueError(f"instance must be a whole number from 0 to {N_TRAIN + N_TEST - 1}, got {number!r}.")
    return range(index, index + 1)
