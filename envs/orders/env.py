"""A kitchen with several orders as a gymnasium environment: `OrdersEnv(orders=..., world=..., map=...)`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..arguments import unknown
from ..base import Menu, MenuEnv, Outcome
from ..overcooked import rules, text
from ..overcooked.env import OvercookedEnv
from ..overcooked.layouts import RECIPES
from ..overcooked.state import NONE, Action, Kitchen
from ..overcooked.state import State as KitchenState
from ..parts import Part, PartPath


class State(NamedTuple):
    """The kitchen, and the orders still to be served, in the order in which they were given."""

    kitchen: KitchenState
    open: tuple[str, ...]


class OrdersEnv(MenuEnv[State]):
    """One agent serves several dishes in one episode, in any order, by the rules of `OvercookedEnv`.

    A dish that is an open order strikes that order and pays the reward `correct`; the episode ends when all are struck.
    Whatever is handed over returns home, food raw, as a wrong dish does, and the rest of the kitchen stays as it is:
    what was chopped ahead is still there. Chopping a food pays if an open order needs it.

    The vector is that of the kitchen, its one-hot of the recipe replaced by how many orders of each recipe are open.

    The parts of the goal are the dishes (`twosome_envs.parts`); who works on one sees what `OvercookedEnv` shows of it.

    Args:
        orders: the dishes, keys of `overcooked.layouts.RECIPES`; one may come twice.
        world, map, rewards, view_radius: as for `OvercookedEnv`.
        render_mode: `rgb_array`, `ansi` or None.

    Raises:
        ValueError: no order, one that does not exist, or what `OvercookedEnv` refuses.
    """

    gamma = OvercookedEnv.gamma
    max_steps = OvercookedEnv.max_steps

    def __init__(
        self,
        orders: Sequence[str] = ("tomato salad", "lettuce salad"),
        world: str = "W3",
        map: str = "A",
        rewards: Mapping[str, float] | None = None,
        view_radius: int = 2,
        render_mode: str | None = None,
    ):
        if isinstance(orders, str) or not isinstance(orders, Sequence) or not orders:
            example = ["tomato salad", "lettuce salad"]
            raise ValueError(f"orders must be a list of dishes such as {example}, got {orders!r}.")
        for dish in orders:
            if not isinstance(dish, str) or dish not in RECIPES:
                raise ValueError(unknown("order", dish, RECIPES))
        self.orders = tuple(orders)
        self._dishes = {dish: OvercookedEnv(world, dish, map, rewards, view_radius) for dish in self.orders}
        self._one_dish = self._dishes[self.orders[0]]
        self.kitchen: Kitchen = self._one_dish.kitchen
        highest = self._one_dish._highest()
        highest[-len(RECIPES) :] = len(orders)
        super().__init__(len(self.kitchen.actions), highest, render_mode)

    def parts(self, path: PartPath = ()) -> tuple[Part, ...]:
        """The dishes served and, of equal ones, the next to be served; a dish has no parts."""
        still_open = self._current("parts()").open
        if path:
            return ()
        found = []
        for dish in self._dishes:
            n, n_open = self.orders.count(dish), still_open.count(dish)
            found += [Part(_numbered(dish, k + 1), k < n - n_open) for k in range(min(n, n - n_open + 1))]
        return tuple(found)

    def observe(self, path: PartPath = ()) -> dict[str, Any]:
        """What `OvercookedEnv` shows of the dish that the path names, where the kitchen is as here.

        Raises `ValueError` for a path that names no dish.
        """
        state = self._current("observe()")
        if not path:
            return self._observation_and_info(state)[0]
        names = {_numbered(dish, k + 1): dish for dish in self._dishes for k in range(self.orders.count(dish))}
        if len(path) > 1 or path[0] not in names:
            raise ValueError(f"There is no part {path!r} here; the parts are {', '.join(map(repr, names))}.")
        seen = self._dishes[names[path[0]]]._view(state.kitchen)
        return {"scene": seen.scene, "goal": seen.goal, "vector": seen.vector.copy()}

    def clear_cache(self) -> None:
        """As `MenuEnv.clear_cache`, the dishes included."""
        super().clear_cache()
        for dish in self._dishes.values():
            dish.clear_cache()

    def _start(self) -> State:
        return State(self.kitchen.start, self.orders)

    def _transition(self, state: State, action: int) -> Outcome[State]:
        macro = self.kitchen.actions[action]
        kitchen = dataclasses.replace(self.kitchen, wanted=self._wanted(state, macro))
        after, rewards, is_served = rules.run(kitchen, state.kitchen, macro)
        if not is_served:
            return Outcome(State(after, state.open), rewards, False)
        struck = next(i for i, dish in enumerate(state.open) if self._foods(dish) == kitchen.wanted)
        still_open = state.open[:struck] + state.open[struck + 1 :]
        return Outcome(State(self._returned(after), still_open), rewards, not still_open)

    def _wanted(self, state: State, action: Action) -> frozenset[int]:
        """The foods that an action is paid for: of what is handed over if that is an order, else of all open orders."""
        orders = [self._foods(dish) for dish in state.open]
        if action.kind not in ("deliver", "go to knife") or action.target != self.kitchen.delivery:
            return frozenset().union(*orders)
        here = state.kitchen
        held = frozenset(i for i, at in enumerate(here.foods) if at == here.agent)
        return held if held in orders else frozenset({NONE})

    def _foods(self, dish: str) -> frozenset[int]:
        """The foods of a dish; NONE stands for one that this world lacks."""
        foods = self.kitchen.foods
        return frozenset(foods.index(food) if food in foods else NONE for food in RECIPES[dish])

    def _returned(self, state: KitchenState) -> KitchenState:
        """The kitchen after what was served has returned home, the food raw."""
        start, hatch = self.kitchen.start, self.kitchen.delivery
        foods = tuple(home if at == hatch else at for at, home in zip(state.foods, start.foods, strict=True))
        chops = tuple(0 if at == hatch else n for at, n in zip(state.foods, state.chops, strict=True))
        plates = tuple(home if at == hatch else at for at, home in zip(state.plates, start.plates, strict=True))
        return KitchenState(state.agent, foods, chops, plates)

    def _scene(self, state: State) -> str:
        orders = f"Still to serve: {text.listed(state.open)}." if state.open else "Everything is served."
        return f"{orders} {text.scene(self.kitchen, state.kitchen)}"

    def _goal(self, state: State) -> str:
        dishes = [f"a bowl that holds only chopped {text.listed(RECIPES[dish])}" for dish in self.orders]
        return f"Serve, in any order: {'; '.join(dishes)}."

    def _menu(self, state: State) -> Menu:
        meanings = text.action_meanings(self.kitchen, state.kitchen)
        phrases = tuple(text.phrase(self.kitchen, meaning) for meaning in meanings)
        return Menu(phrases, (True,) * len(phrases))

    def _vector(self, state: State) -> np.ndarray:
        kitchen = self._one_dish._vector(state.kitchen)[: -len(RECIPES)]
        return np.append(kitchen, _counts(state.open)).astype(np.float32)

    def _ansi(self, state: State) -> str:
        from . import drawing

        return drawing.characters(self.kitchen, state.kitchen, state.open)

    def _picture(self, state: State) -> np.ndarray:
        from . import drawing

        return drawing.picture(self.kitchen, state.kitchen, self.orders, state.open)


def _counts(dishes: tuple[str, ...]) -> list[int]:
    """How often each recipe is among some dishes."""
    return [dishes.count(recipe) for recipe in RECIPES]


def _numbered(dish: str, k: int) -> str:
    """The name of the k-th of equal dishes."""
    return dish if k == 1 else f"{dish}, number {k}"
