"""The game of 24 as a gymnasium environment: `Game24Env(split=..., hand=...)`."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..base import Menu, MenuEnv, Outcome
from . import hands
from .rules import MOST_MOVES, TARGET, Move, Numbers, moves

CARDS = 4
"""Numbers of a hand."""

GOAL = f"Make {TARGET} from all the numbers, each used once, with +, -, * and /."

legal_moves = functools.lru_cache(maxsize=1 << 16)(moves)
"""The moves from some numbers; they do not depend on the hand, so all environments share them."""


class Game24Env(MenuEnv[Numbers]):
    """Four numbers become 24 in three moves, each of which replaces two numbers by their result.

    The state is the numbers left, so different ways to the same numbers meet. Reward 1 if the last number is 24, 0 for
    everything else; the episode ends, with success or failure, when one number is left. A hand that has become
    unsolvable is played out. A masked action does nothing and counts as a step.

    The vector holds the numbers left in ascending order, 0 where there is none any more, and how many are left.

    Args:
        split: where `reset` draws the hand of the episode from: `train` (324 hands), `test` (80 others) or `all` (the
            404 that can make 24). Equal seeds draw equal hands.
        hand: four numbers from 1 to 9 for every episode, solvable or not, instead of a drawn one.
        render_mode: `rgb_array`, `ansi` or None.

    Raises:
        ValueError: a split that does not exist, or something else than four numbers from 1 to 9.
    """

    gamma = 1.0
    max_steps = CARDS - 1

    def __init__(self, split: str = "train", hand: Sequence[int] | None = None, render_mode: str | None = None):
        self.hands: tuple[hands.Hand, ...] = hands.split(split) if hand is None else (_checked(hand),)
        super().__init__(MOST_MOVES, np.array([9.0**CARDS] * CARDS + [CARDS]), render_mode)

    def instances(self) -> list[dict[str, Any]]:
        """Of every hand that `reset` may draw the arguments that make it the only one."""
        return [{"hand": list(hand)} for hand in self.hands]

    def _start(self) -> Numbers:
        which = int(self.np_random.integers(len(self.hands)))
        return tuple(map(Fraction, self.hands[which]))

    def _transition(self, state: Numbers, action: int) -> Outcome[Numbers]:
        found = legal_moves(state)
        if action >= len(found):
            return Outcome(state, (0.0,), False)
        left = found[action].left
        success = left == (TARGET,)
        return Outcome(left, (float(success),), success, len(left) == 1 and not success)

    def _scene(self, state: Numbers) -> str:
        if len(state) == 1:
            return f"The number left is {state[0]}."
        first = ", ".join(map(str, state[:-1]))
        return f"The numbers left are {first} and {state[-1]}."

    def _goal(self, state: Numbers) -> str:
        return GOAL

    def _menu(self, state: Numbers) -> Menu:
        phrases = [_phrase(move) for move in legal_moves(state)] or ["stop"]
        unused = range(len(phrases), MOST_MOVES)
        is_legal = (True,) * len(phrases) + (False,) * len(unused)
        return Menu((*phrases, *(f"(unused {i})" for i in unused)), is_legal)

    def _vector(self, state: Numbers) -> np.ndarray:
        values = [float(number) for number in state] + [0.0] * (CARDS - len(state))
        return np.array([*values, len(state)], np.float32)

    def _ansi(self, state: Numbers) -> str:
        from . import drawing

        return drawing.characters(state)

    def _picture(self, state: Numbers) -> np.ndarray:
        from . import drawing

        return drawing.picture(state)


def _phrase(move: Move) -> str:
    first, second = (f"({n})" if n.denominator > 1 else str(n) for n in (move.first, move.second))
    left = " ".join(map(str, move.left))
    return f"{first} {move.sign} {second} = {move.result} (left: {left})"


def _checked(hand: Sequence[int]) -> hands.Hand:
    """A hand in ascending order. Raises ValueError for anything but four numbers from 1 to 9."""
    try:
        numbers = sorted(operator.index(number) for number in hand)
    except TypeError:
        numbers = []
    if len(numbers) != CARDS or not all(1 <= number <= 9 for number in numbers):
        raise ValueError(f"hand must be {CARDS} whole numbers from 1 to 9 such as (1, 3, 4, 6), got {hand!r}.")
    return tuple(numbers)
