"""What the agent sees and may do, first as facts and deeds, then in words.

Source: SPEC.md, Overcooked 13 for what is conveyed and in which order; the wording is ours. Everything here
is a function of the observation: what is not in view is not said. Facts and deeds follow the published tables
in the two published tasks and extend them to the other kitchens: a counter in the room's middle, two bowls, a
world whose `go to knife 2` delivers.
"""

from __future__ import annotations

from typing import NamedTuple

from .layouts import FOODS, RECIPES
from .state import NONE, Kitchen, State

BOWL = "bowl"
NUMBERS = ("no", "one", "two")


class Thing(NamedTuple):
    """Something that can be held or lie on a board: a food, or a bowl with the foods in it."""

    name: str
    is_chopped: bool = False
    contents: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.name not in FOODS:
            return f"{self.name}[{','.join(self.contents)}]" if self.contents else self.name
        return f"{'chopped' if self.is_chopped else 'unchopped'} {self.name}"


class Facts(NamedTuple):
    """What a scene conveys, in its order. `on_board`: (number of the board, what lies on it).

    `in_front`: number of the board before the agent, 0 for none. `on_wall`: what lies on the counter in the
    middle.
    """

    boards: int
    noticed: tuple[str, ...]
    on_board: tuple[tuple[int, Thing], ...]
    in_front: int
    holding: Thing | None
    on_wall: tuple[Thing, ...] = ()


class Deed(NamedTuple):
    """The meaning of a menu entry, such as `PLACE(tomato,board1)`."""

    verb: str
    things: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.verb}({','.join(self.things)})" if self.things else self.verb


def _bowl(kitchen: Kitchen, plate: int) -> str:
    return BOWL if len(kitchen.start.plates) == 1 else f"{BOWL} {plate + 1}"


def seen_at(kitchen: Kitchen, state: State, cell: int) -> Thing | None:
    """What the agent sees at a cell; None if nothing is there or the cell is out of view."""
    if not kitchen.sees(state, cell):
        return None
    plate, food = state.plate_at(cell), state.food_at(cell)
    if plate != NONE:
        contents = tuple(name for name, at in zip(kitchen.foods, state.foods, strict=True) if at == cell)
        return Thing(_bowl(kitchen, plate), contents=contents)
    return None if food == NONE else Thing(kitchen.foods[food], state.is_chopped(food))


def facts(kitchen: Kitchen, state: State) -> Facts:
    """What the scene says about a state."""
    start = kitchen.start
    noticed = [
        name
        for name, at, home in zip(kitchen.foods, state.foods, start.foods, strict=True)
        if at == home and kitchen.sees(state, at)
    ]
    for plate, (at, home) in enumerate(zip(state.plates, start.plates, strict=True)):
        if at == home and kitchen.sees(state, at):
            noticed.append(_bowl(kitchen, plate))
    boards = [(k + 1, seen_at(kitchen, state, at)) for k, at in enumerate(kitchen.knives)]
    wall = [seen_at(kitchen, state, at) for at in sorted(kitchen.wall)]
    return Facts(
        boards=len(boards),
        noticed=tuple(noticed),
        on_board=tuple((k, thing) for k, thing in boards if thing),
        in_front=_board_in_front(kitchen, state),
        holding=seen_at(kitchen, state, state.agent),
        on_wall=tuple(thing for thing in wall if thing),
    )


def _board_in_front(kitchen: Kitchen, state: State) -> int:
    """Number of the board at the agent's left, 0 for none.

    The published text of W4 also counts a place without a board, which cannot be reached on map A
    (SPEC.md, Overcooked Q2).
    """
    at = state.agent - 1
    return kitchen.knives.index(at) + 1 if at in kitchen.knives else 0


def deeds(kitchen: Kitchen, state: State) -> tuple[Deed, ...]:
    """The meaning of every action here, in order: the tables of SPEC.md, Overcooked 13."""
    told = facts(kitchen, state)
    return tuple(_deed(kitchen, told, action.kind, action.target) for action in kitchen.actions)


def _deed(kitchen: Kitchen, told: Facts, kind: str, target: int) -> Deed:
    holding = told.holding
    holds_bowl = holding is not None and holding.name not in FOODS
    if kind == "get food":
        return Deed("INTO_BOWL" if holds_bowl else "PICK", (kitchen.foods[target],))
    if kind == "get plate":
        return _take(kitchen, told, target)
    if (kind == "deliver" and target == NONE) or kind == "stay":
        return Deed("WAIT")
    if target == kitchen.delivery:
        return Deed("SERVE_DISH" if holding else "SERVE_NOTHING")
    if kind == "go to counter":
        return Deed("PLACE", (holding.name, "counter")) if holding else Deed("WALK", ("counter",))
    if kind == "go to knife":
        board = f"board{kitchen.knives.index(target) + 1}"
        places = holding is not None and not holding.is_chopped
        return Deed("PLACE", (holding.name, board)) if places and holding else Deed("WALK", (board,))
    here = dict(told.on_board).get(told.in_front)
    return Deed("CHOP", (here.name,)) if here is not None and here.name in FOODS else Deed("CHOP_NOTHING")


def _take(kitchen: Kitchen, told: Facts, plate: int) -> Deed:
    name = _bowl(kitchen, plate)
    things = () if name == BOWL else (name,)
    # W4 never calls the bowl empty.
    if "lettuce" not in kitchen.foods:
        return Deed("TAKE_BOWL", things)
    met = [told.holding, *(thing for _, thing in told.on_board), *told.on_wall]
    is_filled = any(thing is not None and thing.name == name and thing.contents for thing in met)
    return Deed("TAKE_BOWL" if is_filled else "TAKE_EMPTY_BOWL", things)


# In words ---------------------------------------------------------------------------------------------------


def listed(words: tuple[str, ...] | list[str]) -> str:
    """`a`, `a and b`, `a, b and c`"""
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def _a(name: str) -> str:
    """With its article; one of two bowls has a number instead."""
    if name[-1].isdigit():
        return name
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _the(name: str) -> str:
    return name if name[-1].isdigit() else f"the {name}"


def _thing(thing: Thing) -> str:
    if thing.name in FOODS:
        return _a(str(thing))
    if thing.contents:
        return f"{_a(thing.name)} with chopped {listed(thing.contents)}"
    return f"an empty {thing.name}" if thing.name == BOWL else f"empty {thing.name}"


def _board(kitchen_boards: int, number: int | str) -> str:
    return "the cutting board" if kitchen_boards == 1 else f"cutting board {number}"


def scene(kitchen: Kitchen, state: State) -> str:
    """The facts as sentences: what never changes first."""
    told = facts(kitchen, state)
    says = [f"The kitchen has {NUMBERS[told.boards]} cutting board{'s' if told.boards > 1 else ''}."]
    if told.noticed:
        tables = "table" if len(told.noticed) == 1 else "tables"
        says.append(f"On the {tables} you see {listed([_a(name) for name in told.noticed])}.")
    for number, thing in told.on_board:
        says.append(f"On {_board(told.boards, number)} lies {_thing(thing)}.")
    for thing in told.on_wall:
        says.append(f"On the counter lies {_thing(thing)}.")
    hands = f"You hold {_thing(told.holding)}." if told.holding else "Your hands are empty."
    if told.in_front:
        hand = f"holding {_thing(told.holding)}" if told.holding else "with empty hands"
        hands = f"You stand at {_board(told.boards, told.in_front)} {hand}."
    return " ".join([*says, hands])


def goal(kitchen: Kitchen) -> str:
    """What is to be served."""
    return f"Serve a bowl that holds only chopped {listed(RECIPES[kitchen.recipe])}."


PHRASES = {
    "PICK": "pick up {0}",
    "INTO_BOWL": "put {0} in the bowl",
    "TAKE_EMPTY_BOWL": "pick up the empty bowl",
    "TAKE_BOWL": "pick up the bowl",
    "PLACE": "put {0} on {1}",
    "WALK": "walk to {0}",
    "SERVE_DISH": "serve the dish",
    "SERVE_NOTHING": "serve nothing",
    "CHOP": "chop {0}",
    "CHOP_NOTHING": "chop nothing",
    "WAIT": "wait",
}


def phrase(kitchen: Kitchen, deed: Deed) -> str:
    """A deed as a short imperative."""
    if deed.verb.startswith("TAKE") and deed.things:  # one of two bowls
        return f"pick up {'empty ' if 'EMPTY' in deed.verb else ''}{deed.things[0]}"
    names = []
    for thing in deed.things:
        is_board = thing.startswith("board")
        names.append(_board(len(kitchen.knives), thing[-1]) if is_board else _the(thing))
    return PHRASES[deed.verb].format(*names)
