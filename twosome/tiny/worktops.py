"""Random situations at a worktop: foods, boards, a vessel.

Like `rooms.home`, an arrangement drawn at random with its legal actions; no plan, no order, no result.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from twosome.tiny import words as w
from twosome.tiny.situations import Situation, a, join, listing, random_goal


@dataclass(frozen=True)
class _Worktop:
    foods: list[str]
    chopped: dict[str, bool]
    at: dict[str, str]  # food -> "table" | "unseen" | "vessel" | "hand" | a board
    vessel: str
    vessel_at: str  # likewise
    boards: list[str]
    here: str | None  # the board that one stands at
    held: str | None

    @property
    def inside(self) -> list[str]:
        """The foods in the vessel."""
        return [x for x in self.foods if self.at[x] == "vessel"]

    def food(self, food: str, raw: str = "fresh") -> str:
        """A food and its state; `raw`: the word for one that is not chopped."""
        return f"chopped {food}" if self.chopped[food] else f"{raw} {food}"

    def filled_vessel(self) -> str:
        """The vessel and what it holds."""
        if not self.inside:
            return f"empty {self.vessel}"
        return f"{self.vessel} with " + listing([f"chopped {x}" for x in self.inside])


def worktop(rng: Random) -> Situation:
    """Foods lie on the table, on a board, in a vessel or in the hand; some are chopped."""
    pool = w.FOODS[:4] if rng.random() < 0.25 else w.FOODS
    foods = rng.sample(pool, rng.randint(1, 4))
    vessel = "bowl" if rng.random() < 0.5 else rng.choice(w.VESSELS)
    board = "cutting board" if rng.random() < 0.5 else rng.choice(w.BOARDS)
    boards = [board]
    if rng.random() >= 0.5:
        boards = [f"{which} {board}" for which in rng.choice([("first", "second"), ("left", "right")])]
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
    top = _Worktop(foods, chopped, at, vessel, vessel_at, boards, here, held)
    return Situation(random_goal(rng, foods), _scene(rng, top), _menu(rng, top), _facts(top))


def _scene(rng: Random, t: _Worktop) -> str:
    raw = rng.choice(["fresh", "whole", "raw", "uncut", "unchopped"])
    parts = []
    if rng.random() < 0.7:
        where = rng.choice(["in the room", "in the kitchen", "here", "in this kitchen"])
        one, many = ("there is one", "there are two") if rng.random() < 0.5 else ("you see one", "you see two")
        base = t.boards[0].split(" ", 1)[1] if len(t.boards) == 2 else t.boards[0]
        parts.append(f"{many} {base}s {where}" if len(t.boards) == 2 else f"{one} {base} {where}")
    lying = [a(t.food(x, raw)) if rng.random() < 0.5 else a(x) for x in t.foods if t.at[x] == "table"]
    lying += [a(t.filled_vessel())] if t.vessel_at == "table" else []
    if lying:
        verb = "is" if len(lying) == 1 else "are"
        told = [f"on the table you see {listing(lying)}", f"there {verb} {listing(lying)} on the table"]
        parts.append(rng.choice([*told, f"{listing(lying)} {verb} on the table"]))
    for board in t.boards:
        on = [a(t.food(x, raw)) for x in t.foods if t.at[x] == board]
        if not on and t.vessel_at == board:
            on = [a(t.filled_vessel())]
        if on:
            parts.append(rng.choice([f"on the {board} lies {listing(on)}", f"{listing(on)} is on the {board}"]))
        elif rng.random() < 0.2:
            parts.append(f"the {board} is {rng.choice(['empty', 'free', 'clear'])}")
    stand = rng.choice(["you stand in front of", "you are next to", "you are at", "you stand by"])
    if t.here:
        parts.append(f"{stand} the {t.here}")
    return join([*parts, _hand(rng, t, raw)])


def _hand(rng: Random, t: _Worktop, raw: str) -> str:
    if not t.held:
        empty = ["your hands are empty", "you hold nothing", "your hand is empty", "you have nothing in your hand"]
        return rng.choice(empty)
    thing = a(t.filled_vessel() if t.held == t.vessel else t.food(t.held, raw))
    told = [f"you hold {thing}", f"in your hand is {thing}", f"you have {thing} in your hand"]
    return rng.choice([*told, f"you are holding {thing}", f"your hand holds {thing}"])


def _menu(rng: Random, t: _Worktop) -> tuple[str, ...]:
    take = rng.choice(["pick up", "take", "grab", "get"])
    put = rng.choice(["put", "place"])
    menu = [f"{put} the {x} in the {t.vessel}" if t.held == t.vessel else f"{take} the {x}" for x in t.foods]
    menu.append(f"{take} the {t.vessel}" if t.inside else f"{take} the empty {t.vessel}")
    for board in t.boards:
        loose = t.held is not None and not t.chopped.get(t.held, False)
        menu.append(f"{put} the {t.held} on the {board}" if loose else f"{rng.choice(['walk', 'go'])} to the {board}")
    menu.append(rng.choice(["serve the dish", "hand over the dish", "deliver the dish"]) if t.held else "serve nothing")
    cut = rng.choice(["chop", "cut", "slice"])
    ready = [x for x in t.foods if t.here is not None and t.at[x] == t.here]
    menu.append(f"{cut} the {ready[0]}" if ready else f"{cut} nothing")
    rng.shuffle(menu)
    return tuple(menu)


def _facts(t: _Worktop) -> tuple[tuple[str, str], ...]:
    hand = "nothing" if not t.held else a(t.filled_vessel()) if t.held == t.vessel else a(t.food(t.held))
    facts = [
        ("What is in your hand?", hand),
        ("Where do you stand?", f"by the {t.here}" if t.here else "somewhere else"),
    ]
    for x in t.foods:
        if t.at[x] in t.boards:
            facts.append((f"Where is the {x}?", f"on the {t.at[x]}"))
            facts.append((f"Is the {x} chopped?", "yes" if t.chopped[x] else "no"))
        elif t.at[x] == "hand":
            facts.append((f"Where is the {x}?", "in your hand"))
    if t.vessel_at == "hand":
        inside = listing([f"chopped {x}" for x in t.inside]) if t.inside else "nothing"
        facts.append((f"What is in the {t.vessel}?", inside))
    return tuple(facts)
