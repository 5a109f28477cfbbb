"""The kitchens as gymnasium environments: `OvercookedEnv(world=..., recipe=..., map=..., ...)`."""

from __future__ import annotations

import functools
import math
import numbers
import operator
from collections.abc import Mapping
from typing import SupportsIndex

import numpy as np

from ..arguments import unknown
from ..base import Menu, MenuEnv, Outcome
from . import rules, text
from .layouts import MAX_CHOPS, PLANS, RECIPES, SIZE, WORLDS, Rewards
from .state import Kitchen, State, build

shared_kitchen = functools.lru_cache(maxsize=256)(build)
"""One kitchen for all environments with the same settings."""


class OvercookedEnv(MenuEnv[State]):
    """One agent, one recipe, macro-actions (SPEC.md, Overcooked 1 to 13).

    The limit of 200 primitive steps is checked between actions only, so an episode may last a few more (SPEC.md,
    Overcooked Q7).

    Args:
        world: `W3` (all foods, two cutting boards), `W4` (tomato, one board), or `W1` (W3 with two bowls and a `wait`
            action).
        recipe: the task string, a key of `layouts.RECIPES`.
        map: `A` is one room; on `C` a wall leaves one gap; on `B` it leaves none, so that nothing can be served.
        rewards: replaces some of `layouts.Rewards`: {"subtask": .2, "correct": 1, "wrong": -.1, "step": -.001}.
        view_radius: cells that are seen in each direction; 0 sees everything.
        render_mode: `rgb_array`, `ansi` or None.

    Raises:
        ValueError: a name that does not exist, a reward that is not a finite number, a negative `view_radius`.
    """

    metadata = MenuEnv.metadata | {
        "legend": "Bright: what the cook sees. Shaded: out of its view, as it was last seen."
    }
    gamma = 0.99
    max_steps = 200

    def __init__(
        self,
        world: str = "W3",
        recipe: str = "lettuce-tomato salad",
        map: str = "A",
        rewards: Mapping[str, float] | None = None,
        view_radius: int = 2,
        render_mode: str | None = None,
    ):
        for what, got, known in (("world", world, WORLDS), ("recipe", recipe, RECIPES), ("map", map, PLANS)):
            if not isinstance(got, str) or got not in known:
                raise ValueError(_unknown_recipe(got) if what == "recipe" else unknown(what, got, known))
        self.kitchen: Kitchen = shared_kitchen(world, map, recipe, _checked(rewards), _radius(view_radius))
        self._one_hot = [float(name == recipe) for name in RECIPES]
        self._goal_text = text.goal(self.kitchen)
        super().__init__(len(self.kitchen.actions), self._highest(), render_mode)

    def _start(self) -> State:
        return self.kitchen.start

    def _transition(self, state: State, action: int) -> Outcome[State]:
        return Outcome(*rules.run(self.kitchen, state, self.kitchen.actions[action]))

    def _scene(self, state: State) -> str:
        return text.scene(self.kitchen, state)

    def _goal(self, state: State) -> str:
        return self._goal_text

    def _menu(self, state: State) -> Menu:
        meanings = text.action_meanings(self.kitchen, state)
        phrases = tuple(text.phrase(self.kitchen, meaning) for meaning in meanings)
        return Menu(phrases, (True,) * len(phrases))

    def _vector(self, state: State) -> np.ndarray:
        """Positions and chops of the items, zeros out of view, then the recipe one-hot (SPEC.md, Overcooked 9)."""
        kitchen = self.kitchen
        things: list[tuple[int, tuple[int, ...]]]
        things = [(at, (n,)) for at, n in zip(state.foods, state.chops, strict=True)]
        things += [(at, ()) for at in (*state.plates, *kitchen.knives, kitchen.delivery, state.agent)]
        entries: list[float] = []
        for at, chops in things:
            values: list[float] = [*divmod(at, SIZE), *chops]
            if not kitchen.sees(state, at):
                values = [0] * len(values)
            elif kitchen.world.is_scaled:
                values = [n / scale for n, scale in zip(values, (SIZE, SIZE, MAX_CHOPS), strict=False)]
            entries += values
        return np.array(entries + self._one_hot, np.float32)

    def _highest(self) -> np.ndarray:
        """The largest value of every entry of the vector."""
        if self.kitchen.world.is_scaled:
            size = len(self._vector(self.kitchen.start))
            return np.ones(size, np.float32)
        foods, others = len(self.kitchen.foods), len(self.kitchen.start.plates) + len(self.kitchen.knives) + 2
        edge = SIZE - 1
        return np.array([edge, edge, MAX_CHOPS] * foods + [edge, edge] * others + [1] * len(RECIPES), np.float32)

    def _ansi(self, state: State) -> str:
        from . import drawing

        return drawing.characters(self.kitchen, state)

    def _picture(self, state: State) -> np.ndarray:
        from . import drawing

        return drawing.picture(self.kitchen, state)


def _unknown_recipe(got: object) -> str:
    """The message for an unknown recipe; it names the one with the same foods in another order, if there is one."""
    if isinstance(got, str):
        words = sorted(got.lower().replace("-", " ").replace("_", " ").split())
        for name in RECIPES:
            if sorted(name.replace("-", " ").split()) == words:
                return f"Unknown recipe {got!r}. Did you mean {name!r}? Known: {', '.join(map(repr, RECIPES))}."
    return unknown("recipe", got, RECIPES)


def _checked(rewards: Mapping[str, float] | None) -> Rewards:
    """The rewards, defaults filled in. Raises ValueError for a wrong key or value."""
    if rewards is None:
        return Rewards()
    if not isinstance(rewards, Mapping):
        example = dict(Rewards()._asdict())
        raise ValueError(f"rewards must be a dict such as {example}, got {rewards!r} ({type(rewards).__name__}).")
    for key, value in rewards.items():
        if key not in Rewards._fields:
            raise ValueError(unknown("reward", key, Rewards._fields))
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value):
            default = Rewards._field_defaults[key]
            raise ValueError(f"rewards[{key!r}] must be a finite number such as {default}, got {value!r}.")
    return Rewards(**{key: float(value) for key, value in rewards.items()})


def _radius(view_radius: SupportsIndex) -> int:
    """The radius as an integer. Raises ValueError for anything but an integer of 0 or more."""
    try:
        radius = operator.index(view_radius)
    except TypeError:
        radius = -1
    if radius < 0 or isinstance(view_radius, bool):
        raise ValueError(f"view_radius must be an integer of 0 (sees everything) or more, got {view_radius!r}.")
    return radius
