"""Random situations for the prompt of the trainer: a goal, a scene, the legal actions, facts.

A situation is a random arrangement, not a moment of a play: nothing comes before or after it, and the
goal is drawn without regard to the arrangement. It therefore teaches what scenes mean and which actions
they allow, and nothing about which action is good. Knows nothing of the environments.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from . import words as w


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


# At the worktop: foods, boards, a vessel ------------------------------------------------------------------


def worktop(rng: Random) -> Situation:
    """Foods lie on the table, on a board, in a vessel or in the hand; some are chopped."""
    pool = w.FOODS[:4] if rng.random() < 0.25 else w.FOODS
    foods = rng.sample(pool, rng.randint(1, 4))
    vessel = "bowl" if rng.random() < 0.5 else rng.choice(w.VESSELS)
    board = "cutting board" if rng.random() < 0.5 else rng.choice(w.BOARDS)
    boards = (
        [board]
        if rng.random() < 0.5
        else [f"{o} {board}" for o in rng.choice([("first", "second"), ("left", "right")])]
    )
    chopped = {x: rng.random() < 0.5 for x in foods}
    at = {x: rng.choice(["table", "table", "unseen", "vessel" if chopped[x] else "table"]) for x in foods}
    held = rng.choice([None, vessel, rng.choice(foods)])
    vessel_at = "hand" if held == vessel else rng.choice(["table", "table", "unseen", *boards])
    if held in foods:
        at[held] = "hand"
    for b in boards:
        if b != vessel_at and rng.random() < 0.5:
            at[rng.choice(foods)] = b
    here = rng.choice([None, *boards])
    # A later board may have taken a food out of the hand.
    held = held if held == vessel or (held and at[held] == "hand") else None
    inside = [x for x in foods if at[x] == "vessel"]
    return Situation(
        random_goal(rng, foods),
        _worktop_scene(rng, foods, chopped, at, vessel, vessel_at, boards, here, held),
        _worktop_menu(rng, foods, chopped, at, vessel, inside, boards, here, held),
        _worktop_facts(foods, chopped, at, vessel, vessel_at, boards, here, held, inside),
    )


def _state(food: str, chopped: dict[str, bool], raw: str = "fresh") -> str:
    return f"chopped {food}" if chopped[food] else f"{raw} {food}"


def _load(vessel: str, inside: list[str]) -> str:
    return f"{vessel} with " + listing([f"chopped {x}" for x in inside]) if inside else f"empty {vessel}"


def _worktop_scene(rng, foods, chopped, at, vessel, vessel_at, boards, here, held) -> str:
    raw = rng.choice(["fresh", "whole", "raw", "uncut", "unchopped"])
    inside = [x for x in foods if at[x] == "vessel"]
    parts = []
    if rng.random() < 0.7:
        where = rng.choice(["in the room", "in the kitchen", "here", "in this kitchen"])
        one, many = ("there is one", "there are two") if rng.random() < 0.5 else ("you see one", "you see two")
        base = boards[0].split(" ", 1)[1] if len(boards) == 2 else boards[0]
        parts.append(f"{many} {base}s {where}" if len(boards) == 2 else f"{one} {base} {where}")
    lying = [a(_state(x, chopped, raw)) if rng.random() < 0.5 else a(x) for x in foods if at[x] == "table"]
    lying += [a(_load(vessel, inside))] if vessel_at == "table" else []
    if lying:
        verb = "is" if len(lying) == 1 else "are"
        parts.append(
            rng.choice(
                [
                    f"on the table you see {listing(lying)}",
                    f"there {verb} {listing(lying)} on the table",
                    f"{listing(lying)} {verb} on the table",
                ]
            )
        )
    for b in boards:
        on = [a(_state(x, chopped, raw)) for x in foods if at[x] == b] or (
            [a(_load(vessel, inside))] if vessel_at == b else []
        )
        if on:
            parts.append(rng.choice([f"on the {b} lies {listing(on)}", f"{listing(on)} is on the {b}"]))
        elif rng.random() < 0.2:
            parts.append(f"the {b} is {rng.choice(['empty', 'free', 'clear'])}")
    stand = rng.choice(["you stand in front of", "you are next to", "you are at", "you stand by"])
    if here:
        parts.append(f"{stand} the {here}")
    thing = _load(vessel, inside) if held == vessel else _state(held, chopped, raw) if held else ""
    if held:
        parts.append(
            rng.choice(
                [
                    f"you hold {a(thing)}",
                    f"in your hand is {a(thing)}",
                    f"you have {a(thing)} in your hand",
                    f"you are holding {a(thing)}",
                    f"your hand holds {a(thing)}",
                ]
            )
        )
    else:
        parts.append(
            rng.choice(
                [
                    "your hands are empty",
                    "you hold nothing",
                    "your hand is empty",
                    "you have nothing in your hand",
                ]
            )
        )
    return join(parts)


def _worktop_menu(rng, foods, chopped, at, vessel, inside, boards, here, held) -> tuple[str, ...]:
    take = rng.choice(["pick up", "take", "grab", "get"])
    put = rng.choice(["put", "place"])
    menu = [f"{put} the {x} in the {vessel}" if held == vessel else f"{take} the {x}" for x in foods]
    menu.append(f"{take} the {vessel}" if inside else f"{take} the empty {vessel}")
    for b in boards:
        loose = held is not None and not chopped.get(held, False)
        menu.append(f"{put} the {held} on the {b}" if loose else f"{rng.choice(['walk', 'go'])} to the {b}")
    menu.append(rng.choice(["serve the dish", "hand over the dish", "deliver the dish"]) if held else "serve nothing")
    cut = rng.choice(["chop", "cut", "slice"])
    ready = [x for x in foods if here is not None and at[x] == here]
    menu.append(f"{cut} the {ready[0]}" if ready else f"{cut} nothing")
    rng.shuffle(menu)
    return tuple(menu)


def _worktop_facts(foods, chopped, at, vessel, vessel_at, boards, here, held, inside):
    hand = "nothing" if not held else a(_load(vessel, inside)) if held == vessel else a(_state(held, chopped))
    facts = [
        ("What is in your hand?", hand),
        ("Where do you stand?", f"by the {here}" if here else "somewhere else"),
    ]
    for x in foods:
        if at[x] in boards:
            facts.append((f"Where is the {x}?", f"on the {at[x]}"))
            facts.append((f"Is the {x} chopped?", "yes" if chopped[x] else "no"))
        elif at[x] == "hand":
            facts.append((f"Where is the {x}?", "in your hand"))
    if vessel_at == "hand":
        facts.append((f"What is in the {vessel}?", listing([f"chopped {x}" for x in inside]) if inside else "nothing"))
    return tuple(facts)
