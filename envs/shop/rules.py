"""The pages of the shop, where they lead, and what a purchase is worth. No words."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from ..plans import Plan, best_plan
from .catalogue import MOST_OPTIONS, Product, products
from .instructions import ANY, PER_PAGE, Instruction, Query, instructions, results

GAMMA = 0.95
"""Discount per decision."""
MOST_DECISIONS = 15
NONE = -1
"""What is not chosen."""

NEXT, BACK, BUY = 6, 7, 8
"""Slots of the menu beside what a page lists: products, or colours and sizes; NEXT reads the description on an item."""
N_ACTIONS = BUY + 1


class Place(IntEnum):
    """The kinds of pages, and the end."""

    SEARCH = 0
    RESULTS = 1
    ITEM = 2
    DESCRIPTION = 3
    BOUGHT = 4


class State(NamedTuple):
    """The complete state.

    number: of the instruction; query, page: of the results, also of those that an item was opened from; product: the
    open one; size, colour: chosen ones, NONE where none is.
    """

    number: int
    place: Place = Place.SEARCH
    query: int = 0
    page: int = 0
    product: int = NONE
    size: int = NONE
    colour: int = NONE

    @property
    def instruction(self) -> Instruction:
        """What the number stands for."""
        return instructions()[self.number]

    @property
    def searched(self) -> Query:
        """The query of the results."""
        return self.instruction.queries()[self.query]

    @property
    def item(self) -> Product:
        """The open product."""
        return products()[self.product]


def pages(state: State) -> int:
    """How many pages the results of a state have."""
    return -(-len(results(state.searched)) // PER_PAGE)


def listed(state: State) -> tuple[int, ...]:
    """The products on a page of results."""
    found = results(state.searched)
    return found[state.page * PER_PAGE : (state.page + 1) * PER_PAGE]


def moves(state: State) -> tuple[State | None, ...]:
    """Where every action leads [N_ACTIONS], None where there is no such action; the end leads nowhere."""
    slots: list[State | None] = [None] * N_ACTIONS
    if state.place == Place.SEARCH:
        found = [state._replace(place=Place.RESULTS, query=query) for query in range(len(state.instruction.queries()))]
        slots[: len(found)] = found
    elif state.place == Place.RESULTS:
        shown = listed(state)
        slots[: len(shown)] = [_opened(state, product) for product in shown]
        slots[NEXT] = state._replace(page=state.page + 1) if state.page + 1 < pages(state) else None
        slots[BACK] = state._replace(page=state.page - 1) if state.page else State(state.number)
    elif state.place == Place.ITEM:
        for slot, size in enumerate(state.item.sizes):
            slots[slot] = state._replace(size=size) if size != state.size else None
        for slot, colour in enumerate(state.item.colours, MOST_OPTIONS):
            slots[slot] = state._replace(colour=colour) if colour != state.colour else None
        slots[NEXT] = state._replace(place=Place.DESCRIPTION)
        slots[BACK] = State(state.number, Place.RESULTS, state.query, state.page)
        slots[BUY] = state._replace(place=Place.BOUGHT, query=0, page=0)
    elif state.place == Place.DESCRIPTION:
        slots[BACK] = state._replace(place=Place.ITEM)
    return tuple(slots)


def _opened(state: State, product: int) -> State:
    """The page of a product; what it is sold in alone is chosen at once."""
    size, colour = (options[0] if len(options) == 1 else NONE for options in products()[product][3:5])
    return state._replace(place=Place.ITEM, product=product, size=size, colour=colour)


def share(state: State) -> float:
    """The share of the wishes that what was bought meets: size, colour and material as far as asked for, and price."""
    (wanted, limit), item = state.instruction, state.item
    asked = ((wanted.size, state.size), (wanted.colour, state.colour), (wanted.material, item.material))
    met = [wish == got for wish, got in asked if wish != ANY] + [item.price <= limit]
    return sum(met) / len(met)


def advance(state: State, action: int) -> tuple[State, float]:
    """The next state, and the reward. An action that there is not changes nothing."""
    after = moves(state)[action]
    if after is None:
        return state, 0.0
    return after, share(after) if after.place == Place.BOUGHT else 0.0


@functools.cache
def best(number: int) -> Plan:
    """The best plan for an instruction, by exhaustive search over the pages."""

    def outcomes(state: State) -> Iterator[tuple[int, State, float, bool]]:
        for action, after in enumerate(moves(state)):
            if after is not None:
                is_over = after.place == Place.BOUGHT
                yield action, after, share(after) if is_over else 0.0, is_over

    return best_plan(State(number), outcomes, GAMMA, MOST_DECISIONS)
