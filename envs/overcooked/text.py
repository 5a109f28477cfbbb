"""What the agent observes and what its actions mean, first as records, then in words.

Source: SPEC.md, Overcooked 13 for what is conveyed and in which order; the wording is ours. Everything here
is a function of the observation: what is not in view is not said. Facts and meanings follow the published tables in
the two published tasks and extend them to the other kitchens: a counter in the middle of the room, two bowls, a world
whose `go to knife 2` delivers.
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
    """What a scene conveys, in its order.

    on_board: (number of the board, what lies on it); in_front: number of the board in front of the agent, 0 for none;
    on_wall: what lies on the counter in the middle.
    """

    boards: int
    noticed: tuple[str, ...]
    on_board: tuple[tuple[int, Thing], ...]
    in_front: int
    holding: Thing | None
    on_wall: tuple[Thing, ...] = ()


class ActionMeaning(NamedTuple):
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


def observed_facts(kitchen: Kitchen, state: State) -> Facts:
    """What the scene conveys about a state."""
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

    The published text of W4 also counts a cell without a board, which cannot be reached on map A (SPEC.md,
    Overcooked Q2).
    """
    at = state.agent - 1
    return kitchen.knives.index(at) + 1 if at in kitchen.knives else 0


def action_meanings(kitchen: Kitchen, state: State) -> tuple[ActionMeaning, ...]:
    """The meaning of every action here, in order: the tables of SPEC.md, Overcooked 13."""
    facts = observed_facts(kitchen, state)
    return tuple(_meaning(kitchen, facts, action.kind, action.target) for action in kitchen.actions)


def _meaning(kitchen: Kitchen, facts: Facts, kind: str, target: int) -> ActionMeaning:
    holding = facts.holding
    holds_bowl = holding is not None and holding.name not in FOODS
    if kind == "get food":
        return ActionMeaning("INTO_BOWL" if holds_bowl else "PICK", (kitchen.foods[target],))
    if kind == "get plate":
        return _take(kitchen, facts, target)
    if (kind == "deliver" and target == NONE) or kind == "stay":
        return ActionMeaning("WAIT")
    if target == kitchen.delivery:
        return ActionMeaning("SERVE_DISH" if holding else "SERVE_NOTHING")
    if kind == "go to counter":
        return ActionMeaning("PLACE", (holding.name, "counter")) if holding else ActionMeaning("WALK", ("counter",))
    if kind == "go to knife":
        board = f"board{kitchen.knives.index(target) + 1}"
        puts_down = holding is not None and not holding.is_chopped
        return (
            ActionMeaning("PLACE", (holding.name, board)) if puts_down and holding else ActionMeaning("WALK", (board,))
        )
    here = dict(facts.on_board).get(facts.in_front)
    return (
        ActionMeaning("CHOP", (here.name,))
        if here is not None and here.name in FOODS
        else ActionMeaning("CHOP_NOTHING")
    )


def _take(kitchen: Kitchen, facts: Facts, plate: int) -> ActionMeaning:
    name = _bowl(kitchen, plate)
    things = () if name == BOWL else (name,)
    # The published text of W4 never calls the bowl empty.
    if "lettuce" not in kitchen.foods:
        return ActionMeaning("TAKE_BOWL", things)
    shown = [facts.holding, *(thing for _, thing in facts.on_board), *facts.on_wall]
    is_filled = any(thing is not None and thing.name == name and thing.contents for thing in shown)
    return ActionMeaning("TAKE_BOWL" if is_filled else "TAKE_EMPTY_BOWL", things)


# In words ---------------------------------------------------------------------------------------------------


def listed(words: tuple[str, ...] | list[str]) -> str:
    """A list in words: `a`, `a and b`, `a, b and c`."""
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def _a(name: str) -> str:
    """A name with its indefinite article; one of two bowls has a number instead."""
    if name[-1].isdigit():
        return name
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _the(name: str) -> str:
    """A name with its definite article; one of two bowls has a number instead."""
    return name if name[-1].isdigit() else f"the {name}"


def _thing(thing: Thing) -> str:
    if thing.name in FOODS:
        return _a(str(thing))
    if thing.contents:
        return f"{_a(thing.name)} with chopped {listed(thing.contents)}"
    return f"an empty {thing.name}" if thing.name == BOWL else f"empty {thing.name}"


def _board(n_boards: int, number: int | str) -> str:
    return "the cutting board" if n_boards == 1 else f"cutting board {number}"


def scene(kitchen: Kitchen, state: State) -> str:
    """The facts as sentences; what never changes comes first."""
    facts = observed_facts(kitchen, state)
    sentences = [f"The kitchen has {NUMBERS[facts.boards]} cutting board{'s' if facts.boards > 1 else ''}."]
    if facts.noticed:
        tables = "table" if len(facts.noticed) == 1 else "tables"
        sentences.append(f"On the {tables} you see {listed([_a(name) for name in facts.noticed])}.")
    for number, thing in facts.on_board:
        sentences.append(f"On {_board(facts.boards, number)} lies {_thing(thing)}.")
    for thing in facts.on_wall:
        sentences.append(f"On the counter lies {_thing(thing)}.")
    hands = f"You hold {_thing(facts.holding)}." if facts.holding else "Your hands are empty."
    if facts.in_front:
        hand = f"holding {_thing(facts.holding)}" if facts.holding else "with empty hands"
        hands = f"You stand at {_board(facts.boards, facts.in_front)} {hand}."
    return " ".join([*sentences, hands])


def goal(kitchen: Kitchen) -> str:
    """The goal as a sentence: what is to be served."""
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


def phrase(kitchen: Kitchen, meaning: ActionMeaning) -> str:
    """The meaning of an action as a short imperative."""
    if meaning.verb.startswith("TAKE") and meaning.things:  # one of two bowls
        return f"pick up {'empty ' if 'EMPTY' in meaning.verb else ''}{meaning.things[0]}"
    names = []
    for thing in meaning.things:
        is_board = thing.startswith("board")
        names.append(_board(len(kitchen.knives), thing[-1]) if is_board else _the(thing))
    return PHRASES[meaning.verb].format(*names)
