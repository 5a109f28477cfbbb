"""The shop in words: scene, goal and phrases. Knows no rules but where an action leads."""

from __future__ import annotations

from .catalogue import COLOURS, KINDS, MATERIALS, NAMES, SIZES, Product, products
from .instructions import ANY, Query
from .rules import NONE, Place, State, listed, moves, pages


def goal(state: State) -> str:
    """The instruction as a sentence."""
    wanted, limit = state.instruction
    return f"Buy a {words_of(wanted)} for at most {limit} dollars."


def words_of(query: Query) -> str:
    """What is asked for, such as `small red wooden chair`; neither article nor plural."""
    asked = ((SIZES, query.size), (COLOURS, query.colour), (MATERIALS, query.material), (NAMES, query.kind))
    return " ".join(words[it] for words, it in asked if it != ANY)


def searched(state: State) -> str:
    """What the results of a state are of, such as `red chairs`."""
    return words_of(state.searched) + "s"


def told(product: Product) -> str:
    """A product in a line: its price in dollars, its material, what it is sold in."""
    colours, sizes = (" or ".join(words[it] for it in its) for words, its in _options(product))
    return f"{product.name} for {product.price}: {MATERIALS[product.material]}, {colours}, {sizes}."


def _options(product: Product) -> tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]:
    return (COLOURS, product.colours), (SIZES, product.sizes)


def scene(state: State) -> str:
    """The page: all that the next decision needs."""
    if state.place == Place.SEARCH:
        return "You are on the search page of the shop."
    if state.place == Place.RESULTS:
        head = f"Results for {searched(state)}, page {state.page + 1} of {pages(state)}."
        return " ".join([head, *(told(products()[i]) for i in listed(state))])
    item = state.item
    if state.place == Place.BOUGHT:
        return f"You bought the {item.name} for {item.price} dollars. Chosen: {chosen(state)}."
    page = told(item) if state.place == Place.ITEM else f"About the {item.name}: {KINDS[NAMES[item.kind]][1]}"
    return f"{page} Chosen: {chosen(state)}. From page {state.page + 1} of {searched(state)}."


def chosen(state: State) -> str:
    """The colour and the size that are chosen, or `nothing`."""
    words = [words[it] for words, it in ((COLOURS, state.colour), (SIZES, state.size)) if it != NONE]
    return " and ".join(words) or "nothing"


def phrases(state: State) -> tuple[str, ...]:
    """The phrase of every action here [N_ACTIONS]; slots without an action say so."""
    if state.place == Place.BOUGHT:
        return ("stop", *(f"(unused {slot})" for slot in range(1, len(moves(state)))))
    return tuple(
        f"(unused {slot})" if after is None else phrase(state, after) for slot, after in enumerate(moves(state))
    )


def phrase(before: State, after: State) -> str:
    """The action that leads from one state to another."""
    match before.place, after.place:
        case Place.SEARCH, _:
            return f"search for {searched(after)}"
        case Place.RESULTS, Place.RESULTS:
            return "go to the next page" if after.page > before.page else "go back to the page before"
        case Place.RESULTS, Place.SEARCH:
            return "go back to the search page"
        case Place.RESULTS, _:
            return f"open the {after.item.name}"
        case Place.ITEM, Place.RESULTS:
            return "go back to the results"
        case Place.ITEM, Place.DESCRIPTION:
            return "read the description"
        case Place.DESCRIPTION, _:
            return f"go back to the {after.item.name}"
        case _, Place.BOUGHT:
            return f"buy the {after.item.name}"
    return f"choose {SIZES[after.size] if after.size != before.size else COLOURS[after.colour]}"
