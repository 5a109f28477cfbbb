"""The state of a kitchen, and the kitchen it belongs to. Knows neither rules nor words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .layouts import (
    DELIVERY,
    FOODS,
    MAX_CHOPS,
    PLANS,
    RECIPES,
    SIZE,
    WALL_COLUMN,
    WALL_ROWS,
    WORLDS,
    Rewards,
    World,
)

FLOOR, COUNTER, KNIFE, HATCH = range(4)
"""The terrain of a cell, whatever lies on it. The hatch is where dishes are delivered."""

NONE = -1
"""Index of an item that is not there."""


def cell(row: int, column: int) -> int:
    """(row, column) as one integer; `divmod(cell, SIZE)` is the inverse."""
    return row * SIZE + column


class State(NamedTuple):
    """The complete state between two actions: cells of agent, foods and plates, and the chops of each food.

    Positions determine everything else, because only what belongs together shares a cell: what is at the agent's cell
    is held, and a food at a plate's cell is in that plate. (The order in which foods came into a plate changes nothing
    and is not kept.)
    """

    agent: int
    foods: tuple[int, ...]
    chops: tuple[int, ...]
    plates: tuple[int, ...]

    def plate_at(self, cell: int) -> int:
        """Index of the plate at a cell, or NONE."""
        return self.plates.index(cell) if cell in self.plates else NONE

    def food_at(self, cell: int) -> int:
        """Index of a food at a cell, in a plate or not, or NONE."""
        return self.foods.index(cell) if cell in self.foods else NONE

    def is_held(self) -> bool:
        """Whether anything is in the agent's hand."""
        return self.agent in self.foods or self.agent in self.plates

    def held_food(self) -> int:
        """Index of the food in the bare hand, or NONE."""
        return NONE if self.agent in self.plates else self.food_at(self.agent)

    def is_chopped(self, food: int) -> bool:
        """Whether a food is chopped."""
        return self.chops[food] >= MAX_CHOPS

    def moved(self, source: int, target: int) -> State:
        """The state after everything at one cell has moved to another."""
        foods = tuple([target if c == source else c for c in self.foods])
        return State(self.agent, foods, self.chops, tuple([target if c == source else c for c in self.plates]))


class Action(NamedTuple):
    """A macro-action by its published name.

    kind: `stay`, `get food`, `get plate`, `go to knife`, `deliver`, `chop` or `go to counter`.
    target: index of the food or plate, or cell of the knife or hatch; NONE where the agent itself is meant.
    """

    name: str
    kind: str
    target: int = NONE


@dataclass(frozen=True, eq=False)
class Kitchen:
    """One configuration, immutable: everything that does not change during an episode."""

    world: World
    map: str
    recipe: str
    rewards: Rewards
    view_radius: int
    terrain: tuple[int, ...]
    foods: tuple[str, ...]
    knives: tuple[int, ...]
    delivery: int
    wall: tuple[int, ...]
    wanted: frozenset[int]
    start: State
    actions: tuple[Action, ...]

    def sees(self, state: State, cell: int) -> bool:
        """Whether a cell is in the square window around the agent; radius 0 sees everything (SPEC.md, Overcooked 6)."""
        if not self.view_radius:
            return True
        (r, c), (tr, tc) = divmod(state.agent, SIZE), divmod(cell, SIZE)
        return abs(r - tr) <= self.view_radius and abs(c - tc) <= self.view_radius


def build(world_name: str, map: str, recipe: str, rewards: Rewards, view_radius: int) -> Kitchen:
    """The kitchen with these settings, which must be valid."""
    world = WORLDS[world_name]
    knives = tuple(cell(*at) for at in world.knives)
    delivery = cell(*DELIVERY)
    terrain = [FLOOR if char == "." else COUNTER for row in PLANS[map] for char in row]
    for at in knives:
        terrain[at] = KNIFE
    terrain[delivery] = HATCH
    foods = tuple(food for food in FOODS if food in world.foods)
    start = State(
        agent=cell(*world.start[map]),
        foods=tuple(cell(*world.foods[food]) for food in foods),
        chops=(0,) * len(foods),
        plates=tuple(cell(*at) for at in world.plates),
    )
    # A food that the world lacks keeps its place in the recipe as NONE, so that no dish can be the right one.
    wanted = frozenset(foods.index(food) if food in foods else NONE for food in RECIPES[recipe])
    wall = tuple(cell(row, WALL_COLUMN) for row in WALL_ROWS[map])
    actions = tuple(_actions(world, map, foods, knives, delivery))
    return Kitchen(
        world,
        map,
        recipe,
        rewards,
        view_radius,
        tuple(terrain),
        foods,
        knives,
        delivery,
        wall,
        wanted,
        start,
        actions,
    )


def _actions(
    world: World, map: str, foods: tuple[str, ...], knives: tuple[int, ...], delivery: int
) -> Iterator[Action]:
    """The macro-actions in the published order (SPEC.md, Overcooked 7.1)."""
    if world.can_stay:
        yield Action("stay", "stay")
    for i, food in enumerate(foods):
        yield Action(f"get {food}", "get food", i)
    for i, _ in enumerate(world.plates):
        yield Action(f"get plate {i + 1}", "get plate", i)
    for i, at in enumerate(knives):
        yield Action(f"go to knife {i + 1}", "go to knife", at)
    if len(knives) == 1 and map != "A":
        # The published list has a second knife here that the world lacks, so every later target is the next item in
        # the list of items: this one delivers, and `deliver` targets the agent (SPEC.md, Overcooked 7.1 and Q4).
        yield Action("go to knife 2", "go to knife", delivery)
        yield Action("deliver", "deliver", NONE)
    else:
        yield Action("deliver", "deliver", delivery)
    yield Action("chop", "chop")
    if map != "A":
        yield Action("go to counter", "go to counter")
