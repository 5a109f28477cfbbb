"""What is to be bought, what can be searched for, and what a search finds. No rules."""

from __future__ import annotations

import functools
import random
from typing import NamedTuple

from ..draws import pick
from .catalogue import Product, products

ANY = -1
"""The size, colour or material of somebody who does not care."""
LIMIT_STEP = 10
"""Limits of the price are multiples of this, in dollars."""
PER_PAGE = 5
"""Products on a page of results."""
MOST_QUERIES = 4
"""What can be searched for under one instruction, at most."""


class Query(NamedTuple):
    """What can be searched for: indices of a kind and of size, colour and material, ANY where one does not matter."""

    kind: int
    size: int = ANY
    colour: int = ANY
    material: int = ANY

    def fits(self, product: Product) -> bool:
        """Whether a product is sold like that."""
        return (
            product.kind == self.kind
            and self.size in (ANY, *product.sizes)
            and self.colour in (ANY, *product.colours)
            and self.material in (ANY, product.material)
        )


@functools.cache
def results(query: Query) -> tuple[int, ...]:
    """The products that a search finds, all there are, in the order of the catalogue."""
    return tuple(i for i, product in enumerate(products()) if query.fits(product))


class Instruction(NamedTuple):
    """What is to be bought, and the most that it may cost in dollars."""

    wanted: Query
    limit: int

    def queries(self) -> tuple[Query, ...]:
        """What its words let one search for: the kind, and the same with one wish."""
        kind, size, colour, material = self.wanted
        asked = (Query(kind, size=size), Query(kind, colour=colour), Query(kind, material=material))
        return (Query(kind), *(query for query in asked if query != Query(kind)))

    def answers(self) -> tuple[int, ...]:
        """The products that can be bought in a way that meets every wish."""
        return tuple(i for i in results(self.wanted) if products()[i].price <= self.limit)

    def is_deep(self) -> bool:
        """Whether no search shows such a product on its first page."""
        return not any({*self.answers()} & {*results(query)[:PER_PAGE]} for query in self.queries())


N_SET, N_TEST = 10, 100
SPLITS: dict[str, range] = {
    "train_0": range(N_SET),
    "train_1": range(N_SET, 2 * N_SET),
    "train": range(2 * N_SET),
    "test": range(2 * N_SET, 2 * N_SET + N_TEST),
    "all": range(2 * N_SET + N_TEST),
}
"""Numbers of the instructions: two sets to train on, together `train`, and others to test on."""

WISHES = ((1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1))
"""Which of size, colour and material an instruction may ask for, beside the price."""
MOST_ANSWERS = 2
"""Answers of an instruction, at most; there is at least one."""
DEEP_EVERY = 5
"""Every so many instructions there is one that needs more than the first page of results."""


@functools.cache
def instructions() -> tuple[Instruction, ...]:
    """All instructions by number; no two want the same kind, size, colour and material."""
    rng = random.Random("shop instructions")
    found: dict[Query, Instruction] = {}
    while len(found) < len(SPLITS["all"]):
        one = _drawn(rng)
        should_be_deep = len(found) % DEEP_EVERY == DEEP_EVERY - 1
        if len(one.answers()) <= MOST_ANSWERS and one.is_deep() == should_be_deep:
            found.setdefault(one.wanted, one)
    return tuple(found.values())


def _drawn(rng: random.Random) -> Instruction:
    """An instruction that a product drawn answers, its limit the least that lets it."""
    product, (size, colour, material) = pick(rng, products()), pick(rng, WISHES)
    wanted = Query(
        product.kind,
        pick(rng, product.sizes) if size else ANY,
        pick(rng, product.colours) if colour else ANY,
        product.material if material else ANY,
    )
    return Instruction(wanted, -(-product.price // LIMIT_STEP) * LIMIT_STEP)
