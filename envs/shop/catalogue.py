"""What the shop sells: 120 products, always the same.

Drawn with nothing but the uniform numbers of `random.Random`, whose sequence Python promises to keep.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from typing import NamedTuple

from ..draws import pick, shuffled

SIZES = ("small", "medium", "large")
COLOURS = ("red", "blue", "green", "white", "black", "yellow")
MATERIALS = ("wooden", "metal", "glass", "cotton", "wool")
_HARD, _SOFT = (0, 1, 2), (3, 4)
KINDS: dict[str, tuple[tuple[int, ...], str]] = {
    "chair": (_HARD, "It stands well on any floor."),
    "table": (_HARD, "It has room for four plates."),
    "lamp": (_HARD, "It gives a warm light."),
    "bowl": (_HARD, "It holds apples or soup."),
    "basket": (_HARD, "It holds bread or letters."),
    "clock": (_HARD, "It is quiet at night."),
    "hat": (_SOFT, "It is good against the sun."),
    "jacket": (_SOFT, "It has four pockets."),
    "rug": (_SOFT, "It lies flat in front of a bed."),
    "towel": (_SOFT, "It dries fast."),
    "blanket": (_SOFT, "It is warm and not heavy."),
    "shirt": (_SOFT, "It can be washed warm."),
}
"""The kinds of products: materials that there are of each, and what its description says."""
NAMES = tuple(KINDS)
MAKERS = ("Anna", "Ben", "David", "Ella", "Grace", "Henry", "Jonas", "Kate", "Lucy", "Max")
"""Every one makes one product of every kind."""

LOWEST, HIGHEST = 10, 60
"""Prices in dollars."""
MOST_OPTIONS = 3
"""Colours, and sizes, in which a product is sold, at most."""
IN_FASHION = 4
"""Colours that there are of a kind."""


class Product(NamedTuple):
    """kind, material: indices; sizes, colours: the indices of what it is sold in; price in dollars."""

    maker: str
    kind: int
    material: int
    sizes: tuple[int, ...]
    colours: tuple[int, ...]
    price: int

    @property
    def name(self) -> str:
        """Maker and kind; no other product has it."""
        return f"{self.maker} {NAMES[self.kind]}"


def _some(rng: random.Random, things: Sequence[int]) -> tuple[int, ...]:
    """From one to `MOST_OPTIONS` of some indices, in order."""
    count = 1 + int(rng.random() * MOST_OPTIONS)
    return tuple(sorted(shuffled(rng, things)[:count]))


@functools.cache
def products() -> tuple[Product, ...]:
    """All products, kind by kind, the dearest first; no two of a kind have one price."""
    rng = random.Random("shop products")
    found = []
    for kind, (materials, _) in enumerate(KINDS.values()):
        prices = shuffled(rng, range(LOWEST, HIGHEST + 1))
        in_fashion = shuffled(rng, range(len(COLOURS)))[:IN_FASHION]
        for maker, price in zip(MAKERS, prices, strict=False):
            sizes, colours = _some(rng, range(len(SIZES))), _some(rng, in_fashion)
            found.append(Product(maker, kind, pick(rng, materials), sizes, colours, price))
    return tuple(sorted(found, key=lambda product: (product.kind, -product.price)))
