"""The pages of the shop as a window. Knows no rules."""

from __future__ import annotations

from .. import window
from ..window import Row
from .catalogue import COLOURS, KINDS, MATERIALS, NAMES, SIZES, Product, products
from .rules import Place, State, listed, pages
from .text import chosen, goal, searched, words_of

PAINT = dict(zip(COLOURS, ("#d2463c", "#3f74c4", "#4c9a52", "#fbfaf5", "#33363d", "#f0c93a"), strict=True))
"""How each colour looks."""


def page(state: State) -> tuple[str, list[Row]]:
    """The title of a page and its rows; the instruction comes first."""
    task = Row(goal(state), is_task=True)
    if state.place == Place.SEARCH:
        fields = [Row("", chips=((words_of(query) + "s", False),)) for query in state.instruction.queries()]
        return "Shop", [task, Row("What are you looking for?"), *fields]
    if state.place == Place.RESULTS:
        title = f"Shop: {searched(state)}, page {state.page + 1} of {pages(state)}"
        return title, [task, *(_listed(products()[i]) for i in listed(state))]
    item = state.item
    title = f"Shop: {item.name}"
    if state.place == Place.BOUGHT:
        return title, [task, Row(f"Bought: {item.name}", f"{item.price} dollars"), Row(f"Chosen: {chosen(state)}")]
    sizes = tuple((SIZES[it], it == state.size) for it in item.sizes)
    colours = tuple((COLOURS[it], it == state.colour) for it in item.colours)
    about = [Row(KINDS[NAMES[item.kind]][1])] if state.place == Place.DESCRIPTION else []
    way = Row("", f"from {searched(state)}, page {state.page + 1}")
    return title, [task, _listed(item), Row("size", chips=sizes), Row("colour", chips=colours), *about, way]


def _listed(product: Product) -> Row:
    """A product as a row: its colours as squares."""
    sizes = ", ".join(SIZES[it] for it in product.sizes)
    dots = tuple(PAINT[COLOURS[it]] for it in product.colours)
    return Row(f"{product.name}, {MATERIALS[product.material]}", f"{sizes}   {product.price} dollars", dots)


def picture(state: State):
    """The page as uint8 [330, 660, 3]."""
    return window.picture(*page(state))


def characters(state: State) -> str:
    """The page in characters."""
    return window.characters(*page(state))
