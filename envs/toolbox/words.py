"""The words of the toolbox: what never changes (habits, rumours), and what is drawn for every question.

Habits and rumours are the same everywhere, because they are there to be learnt. Things and what is said of them are
drawn anew for every question, from lists of which those to test on are never trained on.
"""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """Lists that questions draw from: things, and the entries of every attribute."""

    things: tuple[str, ...]
    values: dict[str, tuple[str, ...]]


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


PLACES = _listed("drawer chest barn pantry tent wagon closet trunk")
HABITS = {
    "ladder": "barn",
    "broom": "closet",
    "salt": "pantry",
    "rope": "wagon",
    "hammer": "trunk",
    "map": "drawer",
    "radio": "tent",
    "flour": "chest",
    "saw": "barn",
    "camera": "trunk",
    "sugar": "pantry",
    "coat": "closet",
    "torch": "tent",
    "wheel": "wagon",
    "key": "drawer",
    "quilt": "chest",
    "drum": "barn",
    "rice": "pantry",
    "pen": "drawer",
    "umbrella": "closet",
}
"""Where 20 things are kept, always."""

PEOPLE = _listed("Clara Felix Nora Hugo Ruth Simon Vera Walter")
RUMOURS = {
    "broke the window": "Hugo",
    "ate the cake": "Ruth",
    "lost the ring": "Clara",
    "rang the bell": "Walter",
    "let the goat out": "Vera",
    "drank the cider": "Simon",
    "wrote the letter": "Nora",
    "burnt the bread": "Felix",
    "hid the money": "Ruth",
    "cut the hedge": "Hugo",
    "sold the boat": "Walter",
    "woke the baby": "Clara",
}
"""Who did 12 things. Everybody knows it, and most of what one reads about it is wrong."""

WORDS: dict[str, Words] = {
    "train": Words(
        things=_listed("lamp bowl box tray clock jar chair cup bench shelf mug bucket"),
        values={
            "colour": _listed("red blue green white black yellow brown grey"),
            "maker": _listed("Anna Ben David Ella Grace Henry Jonas Kate"),
            "room": _listed("kitchen bedroom bathroom garden hall cellar attic garage"),
        },
    ),
    "test": Words(
        things=_listed("vase table stool spoon bottle basket kettle plate bed fan"),
        values={
            "colour": _listed("orange pink gold purple silver violet cream olive"),
            "maker": _listed("Lucy Max Tom Sam Mary Peter Paul Oscar"),
            "room": _listed("office porch balcony study loft shed yard lounge"),
        },
    ),
}
"""The lists of every split; no word stands in both but the names of the attributes."""
