"""Random situations in a home: rooms, portable things, furniture that opens, switches on or can be sat on.

Like `worktops.worktop`, an arrangement drawn at random with its legal actions; no plan, no order, no result.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from twosome.tiny import words as w
from twosome.tiny.situations import Situation, is_are, join, listing, random_goal


@dataclass(frozen=True)
class _Home:
    rooms: list[str]
    room: str
    things: list[str]
    held: list[str]
    fixtures: dict[str, str]  # name -> "container" | "device" | "surface" | "seat"
    is_on: dict[str, bool]  # open, switched on, or sat on
    lying: dict[str, str]  # thing -> fixture it lies on or in
    near: str | None


def home(rng: Random) -> Situation:
    """One room of a home: what is noticed, what is near, what is in the hands, what is open or on."""
    rooms = list(w.HOME) if rng.random() < 0.6 else rng.sample(w.ROOMS, rng.randint(2, 5))
    pool = w.DISHES if rng.random() < 0.6 else w.THINGS + w.FOODS
    things = rng.sample(pool, rng.randint(1, 3))
    kinds = {"container": w.CONTAINERS, "device": w.DEVICES, "surface": w.SURFACES, "seat": w.SEATS}
    chosen = rng.sample(sorted(kinds), rng.choice([0, 1, 1, 2, 3, 3]))
    fixtures = {rng.choice(kinds[k]): k for k in chosen}
    held = rng.sample(things, rng.randint(0, min(2, len(things))))
    is_on = {f: rng.random() < 0.5 for f in fixtures}
    lying = {}
    for x in things:
        where = [f for f, k in fixtures.items() if k == "surface" or (k == "container" and is_on[f])]
        if x not in held and where and rng.random() < 0.4:
            lying[x] = rng.choice(where)
    visible = bool(fixtures) or rng.random() < 0.7
    near = rng.choice([None, *fixtures, *(x for x in things if x not in held)]) if visible else None
    for f, k in fixtures.items():
        if k == "seat" and f != near:
            is_on[f] = False
    home = _Home(rooms, rng.choice(rooms), things if visible else held, held, fixtures, is_on, lying, near)
    return Situation(random_goal(rng, things), _scene(rng, home), _menu(rng, home), _facts(home))


def _scene(rng: Random, h: _Home) -> str:
    count = dict(zip(range(2, 6), ("two", "three", "four", "five"), strict=True))[len(h.rooms)]
    rooms = listing([f"the {r}" for r in h.rooms])
    parts = []
    if rng.random() < 0.6:
        parts.append(
            rng.choice(
                [
                    f"the home has {count} rooms: {rooms}",
                    f"there are {count} rooms: {rooms}",
                    f"this house has {rooms}",
                ]
            )
        )
    parts.append(rng.choice([f"you are in the {h.room}", f"you stand in the {h.room}", f"this is the {h.room}"]))
    seen = [f"the {x}" for x in [*h.things, *h.fixtures] if x not in h.held]
    if seen:
        parts.append(rng.choice(["you see ", "you notice ", "here you find ", "around you are "]) + listing(seen))
    else:
        parts.append(
            rng.choice(["nothing here is of use", "you notice nothing useful", "there is nothing useful here"])
        )
    if h.near:
        seat = h.fixtures.get(h.near) == "seat" and h.is_on[h.near]
        close = rng.choice(["near", "close to", "next to", "by"])
        parts.append(
            f"you sit on the {h.near}"
            if seat
            else rng.choice(
                [
                    f"you are {close} the {h.near}",
                    f"the {h.near} {is_are(h.near)} near you",
                    f"you stand {close} the {h.near}",
                ]
            )
        )
    elif seen and rng.random() < 0.7:
        parts.append(rng.choice(["you are near none of them", "nothing is near you", "none of them is close"]))
    if h.held:
        what = listing([f"the {x}" for x in h.held])
        parts.append(
            rng.choice([f"you hold {what}", f"you have {what} in your hands", f"in your hand you have {what}"])
        )
    else:
        parts.append(rng.choice(["your hands are empty", "you hold nothing", "you have nothing in your hands"]))
    for x, f in h.lying.items():
        parts.append(f"the {x} {is_are(x)} {'in' if h.fixtures[f] == 'container' else 'on'} the {f}")
    for f, kind in h.fixtures.items():
        if kind in ("container", "device"):
            parts.append(f"the {f} is {_condition(rng, kind, h.is_on[f])}")
    return join(parts)


def _condition(rng: Random, kind: str, on: bool) -> str:
    if kind == "device":
        return rng.choice(["on", "switched on", "running"]) if on else rng.choice(["off", "switched off"])
    return "open" if on else rng.choice(["closed", "shut", "not open"])


def _menu(rng: Random, h: _Home) -> tuple[str, ...]:
    walk, take, put = (
        rng.choice(["walk", "go"]),
        rng.choice(["grab", "pick up", "take"]),
        rng.choice(["put", "place"]),
    )
    menu = [f"{walk} to the {r}" for r in h.rooms if r != h.room]
    for x in [*h.things, *h.fixtures]:
        if x not in h.held and x != h.near:
            menu.append(f"{walk} to the {x}")
    if h.near in h.things and len(h.held) < 2:
        menu.append(f"{take} the {h.near}")
    kind = h.fixtures.get(h.near or "")
    if h.near and kind:
        on = h.is_on[h.near]
        if kind == "container":
            menu.append(f"close the {h.near}" if on else f"open the {h.near}")
        if kind == "device":
            menu.append(f"turn off the {h.near}" if on else f"turn on the {h.near}")
        if kind == "seat":
            menu.append(f"stand up from the {h.near}" if on else f"sit on the {h.near}")
        if kind in ("container", "surface"):
            menu += [f"{put} the {x} {'in' if kind == 'container' else 'on'} the {h.near}" for x in h.held]
    rng.shuffle(menu)
    return tuple(menu)


def _facts(h: _Home) -> tuple[tuple[str, str], ...]:
    facts = [
        ("Which room is this?", f"the {h.room}"),
        ("What is in your hands?", listing([f"the {x}" for x in h.held]) if h.held else "nothing"),
        ("What is near you?", f"the {h.near}" if h.near else "nothing"),
    ]
    for f, kind in h.fixtures.items():
        if kind == "container":
            facts.append((f"Is the {f} open?", "yes" if h.is_on[f] else "no"))
        if kind == "device":
            facts.append((f"Is the {f} on?", "yes" if h.is_on[f] else "no"))
    facts += [(f"Where {is_are(x)} the {x}?", f"on the {f}") for x, f in h.lying.items() if h.fixtures[f] == "surface"]
    return tuple(facts)
