"""Scenes of the project's environments, met under uniformly random play; and the same with other nouns.

Only distinct (goal, scene, menu) triples are kept, sorted and without counts: neither the order in which
they were met, nor a reward, nor how often or how late a scene appears survives. Worlds are found by their
gymnasium ids; this module imports no environment.
"""

from __future__ import annotations

import re
from functools import cache
from random import Random
from typing import Any

import gymnasium

from twosome.tiny import words as w
from twosome.tiny.renaming import articles
from twosome.tiny.situations import Situation

STEPS = 12_000  # random steps in each world
RECIPES = [
    "tomato",
    "lettuce",
    "onion",
    "lettuce-tomato",
    "onion-tomato",
    "lettuce-onion",
    "lettuce-onion-tomato",
]
KITCHENS = [("W4", "tomato", "A"), *(("W3", r, "A") for r in RECIPES), ("W3", "lettuce-tomato", "C")]
HOMES = [
    "FoodPreparation-v0",
    "Entertainment-v0",
    "Cheese-v0",
    "Hamburger-v0",
    "ApplePie-v0",
    "Pizza-v0",
    "WashingPlate-v0",
    "Laundry-v0",
    "FoodPreparation-v1",
    "Entertainment-v1",
    "LaundryFaithful-v0",
]
HELD_OUT = {  # by the reader: the relatives of food preparation, three recipes
    *("Cheese-v0", "Hamburger-v0", "ApplePie-v0", "Pizza-v0", "WashingPlate-v0", "Laundry-v0", "LaundryFaithful-v0"),
    *("onion salad", "lettuce-onion salad", "lettuce-onion-tomato salad"),
}


def worlds() -> list[tuple[str, dict[str, Any]]]:
    """Every world whose scenes are read: (gymnasium id, keyword arguments)."""
    kitchens = [{"world": world, "recipe": f"{r} salad", "map": m} for world, r, m in KITCHENS]
    return [*(("Overcooked-v0", kitchen) for kitchen in kitchens), *((home, {}) for home in HOMES)]


def situations(seed: int, steps: int = STEPS, *, held_out: bool | None = None) -> list[list[Situation]]:
    """For every world the distinct situations of uniformly random play, in an order that means nothing.

    `held_out`: of those alone that the reader has not met (True) or has met (False); None for all.
    """
    met = []
    for number, (name, kwargs) in enumerate(worlds()):
        if held_out is not None and held_out != ((kwargs.get("recipe") or name) in HELD_OUT):
            continue
        env = gymnasium.make(f"twosome_envs:twosome/{name}", disable_env_checker=True, **kwargs)
        met.append(sorted(wander(env, steps, seed + number), key=lambda s: (s.goal, s.scene, s.menu)))
    return met


def wander(env: gymnasium.Env, steps: int, seed: int) -> set[Situation]:
    """The situations met in `steps` uniformly random legal actions; terminal scenes have no action."""
    rng, found = Random(seed), set()
    observation, info = env.reset(seed=seed)
    for _ in range(steps):
        menu = tuple(a for a, legal in zip(info["actions"], info["action_mask"], strict=True) if legal)
        found.add(Situation(observation["goal"], observation["scene"], menu))
        legal = [i for i, ok in enumerate(info["action_mask"]) if ok]
        observation, _, terminated, truncated, info = env.step(rng.choice(legal))
        if terminated or truncated:
            observation, info = env.reset()
    env.close()
    return found


# The same situation with other nouns ----------------------------------------------------------------------

KINDS = {
    "food": (["tomato", "lettuce", "onion"], w.FOODS),
    "dish": (
        [
            "pancake",
            "cheese",
            "hamburger",
            "apple pie",
            "pizza",
            "dishes",
            "clothes",
            "plates",
            "chips",
            "milk",
        ],
        w.DISHES + w.THINGS,
    ),
    "container": (["microwave", "dishwasher", "washing machine"], w.CONTAINERS),
    "vessel": (["bowl"], w.VESSELS),
    "board": (["cutting board"], w.BOARDS),
    "surface": (["coffee table"], w.SURFACES),
    "device": (["TV", "television"], w.DEVICES),
    "seat": (["sofa", "couch"], w.SEATS),
}


@cache
def _nouns(text: str) -> tuple[tuple[str, str], ...]:
    """The replaceable nouns of a text with their kinds, longest first."""
    here = [(noun, kind) for kind, (nouns, _) in KINDS.items() for noun in nouns if re.search(rf"\b{noun}", text, re.I)]
    return tuple(sorted(here, key=lambda pair: -len(pair[0])))


def reskin(rng: Random, s: Situation) -> Situation:
    """The situation with its nouns replaced at random, one for one, throughout goal, scene and menu."""
    nouns = _nouns(" ".join([s.goal, s.scene, *s.menu]))
    to: dict[str, str] = {}
    for noun, kind in nouns:
        plural = noun in w.PLURALS
        pool = [x for x in KINDS[kind][1] if x not in to.values() and (x in w.PLURALS) == plural]
        to[noun] = rng.choice(pool or [noun])
    if not to:
        return s
    pattern = re.compile(r"\b(" + "|".join(re.escape(n) for n, _ in nouns) + r")(?=s?\b)", re.I)

    def swap(text: str) -> str:
        def replace(m: re.Match[str]) -> str:
            new = to[next(n for n, _ in nouns if n.lower() == m.group(1).lower())]
            return new.capitalize() if m.group(1)[0].isupper() and m.group(1) != "TV" else new

        return articles(pattern.sub(replace, text))

    return Situation(swap(s.goal), swap(s.scene), tuple(swap(a) for a in s.menu))
