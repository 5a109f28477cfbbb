"""The shop as a gymnasium environment: `ShopEnv(split=..., instruction=...)`."""

from __future__ import annotations

from typing import Any, SupportsIndex

import numpy as np

from ..arguments import action_index, unknown
from ..base import Menu, MenuEnv, Outcome
from . import rules, text
from .catalogue import COLOURS, HIGHEST, MAKERS, MATERIALS, NAMES, SIZES, Product, products
from .instructions import ANY, MOST_QUERIES, PER_PAGE, SPLITS
from .rules import GAMMA, MOST_DECISIONS, N_ACTIONS, Place, State

_ASKED = len(NAMES) + len(SIZES) + len(COLOURS) + len(MATERIALS) + 1
_WHERE = len(Place) + MOST_QUERIES + 1
_PRODUCT = len(SIZES) + len(COLOURS) + len(MATERIALS) + 1
_CHOSEN = len(SIZES) + len(COLOURS)


class ShopEnv(MenuEnv[State]):
    """Buy what an instruction asks for: search, look through pages of results, open an item, choose, buy.

    The 120 products are always the same. `reset` draws an instruction: a kind, two or three of size, colour and
    material, and a limit of the price. One can search for the kind alone or with one of these wishes; a page of results
    shows five products with all that matters. Colour and size are chosen on the page of an item.

    Reward: at the purchase the share of the wishes that it meets, price included (after WebShop, Yao et al. 2022);
    0 before. A purchase that meets all is a success, any other a failure. A masked action does nothing and counts as a
    step. `info["optimum"]` after `reset` is the best return of the instruction.

    The vector holds what is asked for, the page, up to five products that it shows with their sizes, colours, material
    and price, and what is chosen.

    Args:
        split: where `reset` draws the instruction of the episode from: `train_0` or `train_1` (10 each), `train`
            (both), `test` (100 others) or `all`. Equal seeds draw equal instructions.
        instruction: the number of the instruction for every episode, instead of a drawn one.
        render_mode: `rgb_array`, `ansi` or None.

    Raises:
        ValueError: a split or an instruction that does not exist.
    """

    gamma = GAMMA
    max_steps = MOST_DECISIONS

    def __init__(self, split: str = "train", instruction: SupportsIndex | None = None, render_mode: str | None = None):
        if not isinstance(split, str) or split not in SPLITS:
            raise ValueError(unknown("split", split, SPLITS))
        self.numbers: range = SPLITS[split] if instruction is None else _checked(instruction)
        highest = np.ones(_ASKED + _WHERE + PER_PAGE * _PRODUCT + _CHOSEN)
        highest[_ASKED - 1] = HIGHEST
        highest[_ASKED + _WHERE - 1] = len(MAKERS) / PER_PAGE
        highest[_ASKED + _WHERE + _PRODUCT - 1 : -_CHOSEN : _PRODUCT] = HIGHEST
        super().__init__(N_ACTIONS, highest, render_mode)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode with a drawn instruction, as `MenuEnv.reset` does, with `info["optimum"]`: float."""
        observation, info = super().reset(seed=seed, options=options)
        info["optimum"] = rules.best(self._current("reset()").number).value
        return observation, info

    def instances(self) -> list[dict[str, Any]]:
        """Of every instruction that `reset` may draw the arguments that make it the only one."""
        return [{"instruction": number} for number in self.numbers]

    def _start(self) -> State:
        return State(self.numbers[int(self.np_random.integers(len(self.numbers)))])

    def _transition(self, state: State, action: int) -> Outcome[State]:
        after, reward = rules.advance(state, action)
        is_over = after.place == Place.BOUGHT
        return Outcome(after, (reward,), is_over and reward == 1.0, is_over and reward < 1.0)

    def _scene(self, state: State) -> str:
        return text.scene(state)

    def _goal(self, state: State) -> str:
        return text.goal(state)

    def _menu(self, state: State) -> Menu:
        is_legal = [after is not None for after in rules.moves(state)]
        return Menu(text.phrases(state), tuple(is_legal) if any(is_legal) else (True, *is_legal[1:]))

    def _vector(self, state: State) -> np.ndarray:
        (kind, size, colour, material), limit = state.instruction
        asked = [*_hot(NAMES, kind), *_options(size, colour, material), limit]
        queries = [state.place != Place.SEARCH and query == state.query for query in range(MOST_QUERIES)]
        where = [*_hot(Place, state.place), *queries, state.page]
        shown = rules.listed(state) if state.place == Place.RESULTS else (state.product,) if state.product >= 0 else ()
        described = [number for i in shown for number in _described(products()[i])]
        described += [0] * (PER_PAGE * _PRODUCT - len(described))
        chosen = _options(state.size, state.colour, ANY)[:_CHOSEN]
        return np.array([*asked, *where, *described, *chosen], np.float32)

    def _ansi(self, state: State) -> str:
        from . import drawing

        return drawing.characters(state)

    def _picture(self, state: State) -> np.ndarray:
        from . import drawing

        return drawing.picture(state)


def _hot(words: Any, *which: int) -> list[int]:
    return [i in which for i in range(len(words))]


def _options(size: int, colour: int, material: int) -> list[int]:
    """Size, colour and material as bits, none where one is ANY or not chosen."""
    return [*_hot(SIZES, size), *_hot(COLOURS, colour), *_hot(MATERIALS, material)]


def _described(product: Product) -> list[int]:
    """A product in numbers [_PRODUCT]."""
    bits = [*_hot(SIZES, *product.sizes), *_hot(COLOURS, *product.colours), *_hot(MATERIALS, product.material)]
    return [*bits, product.price]


def _checked(number: SupportsIndex) -> range:
    """The range of one instruction. Raises ValueError for anything but its number."""
    index = action_index(number, len(SPLITS["all"]))
    if index is None:
        last = len(SPLITS["all"]) - 1
        raise ValueError(f"instruction must be a whole number from 0 to {last}, got {number!r}.")
    return range(index, index + 1)
