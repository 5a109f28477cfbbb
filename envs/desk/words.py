"""The words of the desk: products, materials, what a table says of them, care; those to test on are never trained on.

Words are chosen that are short in the tokens of small models, so that scenes stay short. To train on there are also
made-up words: of real words alone a small model learns the few that it meets, instead of learning to read them.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import NamedTuple

from ..draws import pick


class Words(NamedTuple):
    """Lists that a session draws from: products, materials, the entries of every attribute, verbs and means of care."""

    products: tuple[str, ...]
    materials: tuple[str, ...]
    values: dict[str, tuple[str, ...]]
    topics: tuple[str, ...]
    means: tuple[str, ...]


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


def _counted(numbers: range, unit: str) -> tuple[str, ...]:
    return tuple(f"{number} {unit}" for number in numbers)


def _invented() -> Iterator[str]:
    """Words that are none, all different, the same ones on every machine; a few may be real, and are left out below."""
    rng, met = random.Random("desk words"), set[str]()
    while True:
        syllables = [pick(rng, ONSETS) + pick(rng, VOWELS) for _ in range(1 + int(rng.random() * 2))]
        word = "".join(syllables) + pick(rng, CODAS)
        if len(word) > 3 and word not in met:
            met.add(word)
            yield word


ONSETS, VOWELS, CODAS = (
    _listed("b d f g h k l m n p r s t v w z br dr fl gr pl st tr"),
    "aeiou",
    _listed("b d g k l m n p r t x"),
)
INVENTED = {"products": 40, "materials": 16, "colour": 16, "maker": 24, "room": 20, "topics": 8, "means": 24}
"""Made-up words to train on, of each list."""

_REAL: dict[str, Words] = {
    "train": Words(
        products=_listed(
            "lamp bowl box tray clock jar chair cup bench shelf mug bucket pencil candle pillow mirror ladder drum "
            "helmet wallet lantern saddle barrel hammer shovel kite sofa stove trunk pot pan rug cart crate flask"
        ),
        materials=_listed("steel oak stone glass tin brass leather silk wood plastic ivory slate cork zinc"),
        values={
            "colour": _listed(
                "red blue green white black yellow brown grey beige navy amber teal crimson turquoise lilac scarlet"
            ),
            "maker": _listed(
                "Anna Ben David Ella Grace Henry Jonas Kate Clara Emma Felix Ida Leo Mia Noah Rosa Simon Wendy Victor "
                "Nora Hugo Emil Otto Vera Iris Dora"
            ),
            "room": _listed(
                "kitchen bedroom bathroom garden hall cellar attic garage barn library nursery terrace tower corridor "
                "workshop pantry closet stable chapel lobby"
            ),
            "price": _counted(range(12, 96, 4), "dollars"),
            "age": _counted(range(2, 42, 2), "years"),
        },
        topics=_listed("clean polish dry wipe scrub rinse treat shine"),
        means=_listed(
            "vinegar soap water salt oil milk sand soda tea wax sugar steam foam bran starch ink resin lotion syrup "
            "brine juice wine"
        ),
    ),
    "test": Words(
        products=_listed("vase table stool spoon bottle basket kettle plate bed fan"),
        materials=_listed("iron pine clay copper bamboo marble"),
        values={
            "colour": _listed("orange pink gold purple silver violet cream olive"),
            "maker": _listed("Lucy Max Tom Sam Mary Peter Paul Oscar"),
            "room": _listed("office porch balcony study loft shed yard lounge"),
            "price": _counted(range(13, 45, 4), "dollars"),
            "age": _counted(range(3, 19, 2), "years"),
        },
        topics=_listed("brush dust wash rub"),
        means=_listed("lemon butter ash chalk rice flour beer honey paper cotton"),
    ),
}


def _mixed() -> Words:
    """The real words to train on, and the made-up ones."""
    train, test = _REAL["train"], _REAL["test"]
    real = {word.lower() for it in (train, test) for word in itertools.chain(*it[:2], *it.values.values(), *it[3:])}
    new = (word for word in _invented() if word not in real)
    more = {name: tuple(itertools.islice(new, n)) for name, n in INVENTED.items()}
    more["maker"] = tuple(word.capitalize() for word in more["maker"])
    values = {name: (*own, *more.get(name, ())) for name, own in train.values.items()}
    lists = {name: (*getattr(train, name), *more[name]) for name in ("products", "materials", "topics", "means")}
    return Words(values=values, **lists)


WORDS = {**_REAL, "mixed": _mixed()}
"""The lists of every split. `mixed` is `train` and as many made-up words; no word of `test` stands in either, but the
names of the attributes and the units."""
