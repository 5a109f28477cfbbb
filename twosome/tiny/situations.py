"""What random situations share: a goal, a scene, the legal actions, facts; and the sentences they are told in.

A situation is a random arrangement, not a moment of a play: nothing comes before or after it, and the goal is drawn
without regard to the arrangement. It therefore teaches what scenes mean and which actions they allow, and nothing about
which action is good. Knows nothing of the environments.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from twosome.tiny import words as w


@dataclass(frozen=True)
class Situation:
    """One scene with everything the corpus may say about it."""

    goal: str
    scene: str
    menu: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()


def is_are(noun: str) -> str:
    """The verb that agrees with a noun."""
    return "are" if noun in w.PLURALS else "is"


def a(noun: str) -> str:
    """A noun with the indefinite article, where it takes one."""
    if noun.split(" with ")[0].split()[-1] in w.PLURALS | w.MASSES:
        return noun
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def listing(items: list[str]) -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def sentence(text: str) -> str:
    """First letter upper case, full stop at the end."""
    return text[0].upper() + text[1:] + "."


def random_goal(rng: Random, items: list[str]) -> str:
    """A goal about some of the items, whatever their arrangement."""
    x, y = rng.choice(items), rng.choice(items)
    place = rng.choice(w.SURFACES + w.CONTAINERS)
    goals = [
        f"find the {x}",
        f"serve {a(x)}",
        f"prepare {a(x)}",
        f"look after the {x}",
        f"heat up the {x}",
        f"wash the {x}",
        f"tidy up the {rng.choice(w.ROOMS)}",
        f"enjoy the {x} in the {rng.choice(w.ROOMS)}",
        f"have the {x} and the {y}",
        f"make a dish of {x} and {y}",
        f"serve a bowl of chopped {x}",
        f"get the {x} ready",
        f"make {a(x)} salad",
        f"bring the {x} to the {place}",
        "rest for a while",
        f"clean the {place}",
        f"use the {place}",
        f"warm the {x} in the {place}",
        f"watch the {rng.choice(w.DEVICES)} with {x} and {y}",
    ]
    text = rng.choice(goals)
    return rng.choice([text, text, text[0].upper() + text[1:], text[0].upper() + text[1:] + "."])


def join(parts: list[str]) -> str:
    """Clauses as sentences, one after the other."""
    return " ".join(sentence(p) for p in parts)
