"""What can be made in the workshop, out of what, as data: an AND-OR graph that every instance takes a part of.

A thing or a part is split in one of some ways (OR) into two tasks (AND); a job is done.
"""

from __future__ import annotations

from typing import NamedTuple

THINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "shelf": (("planks", "joints"), ("frame", "planks"), ("posts", "board")),
    "box": (("planks", "glue"), ("board", "joints"), ("planks", "joints")),
    "stool": (("board", "legs"), ("planks", "legs"), ("posts", "glue")),
    "table": (("board", "legs"), ("board", "frame"), ("planks", "frame")),
    "bench": (("planks", "legs"), ("board", "posts"), ("frame", "varnish")),
    "ladder": (("posts", "joints"), ("planks", "glue"), ("posts", "glue")),
    "bed": (("frame", "board"), ("legs", "planks"), ("posts", "planks")),
    "door": (("planks", "varnish"), ("frame", "glue"), ("board", "varnish")),
}
"""What is ordered: the ways to split it."""

PARTS: dict[str, tuple[tuple[str, str], ...]] = {
    "frame": (("posts", "joints"), ("planks", "glue"), ("order a kit", "read the manual")),
    "board": (("planks", "glue"), ("find an old door", "sand it down"), ("order a board", "cut to size")),
    "legs": (("posts", "sand it down"), ("cut branches", "peel the bark"), ("order legs", "cut to size")),
    "joints": (("glue", "borrow clamps"), ("carve pegs", "drill holes"), ("order screws", "drill holes")),
    "planks": (
        ("saw a log", "plane the wood"),
        ("take a pallet apart", "pull the nails"),
        ("order planks", "cut to size"),
    ),
    "posts": (("saw a log", "split the log"), ("cut branches", "peel the bark"), ("order posts", "cut to size")),
    "glue": (("collect resin", "light the stove"), ("boil bones", "light the stove"), ("order glue", "clean a brush")),
    "varnish": (("press linseed", "find a rag"), ("scrape wax", "light the stove"), ("order varnish", "clean a brush")),
}
"""What things are made of: the ways to split it, down to jobs."""


class Kind(NamedTuple):
    """What jobs of one kind cost, from the lowest to the highest price, and how often what they need is missing."""

    lowest: int
    highest: int
    missing: float


FOUND = Kind(1, 4, 0.5)
WORK = Kind(1, 3, 0.25)
ORDERED = Kind(5, 9, 0.05)

JOBS: dict[str, tuple[str, Kind]] = {
    "saw a log": ("a log", FOUND),
    "take a pallet apart": ("a pallet", FOUND),
    "find an old door": ("an old door", FOUND),
    "cut branches": ("branches", FOUND),
    "collect resin": ("resin", FOUND),
    "boil bones": ("bones", FOUND),
    "press linseed": ("linseed", FOUND),
    "scrape wax": ("wax", FOUND),
    "borrow clamps": ("clamps", FOUND),
    "carve pegs": ("a carving knife", WORK),
    "drill holes": ("a drill", WORK),
    "plane the wood": ("a plane", WORK),
    "pull the nails": ("pincers", WORK),
    "split the log": ("wedges", WORK),
    "peel the bark": ("a peeling knife", WORK),
    "sand it down": ("sandpaper", WORK),
    "cut to size": ("a handsaw", WORK),
    "light the stove": ("firewood", WORK),
    "find a rag": ("a rag", WORK),
    "clean a brush": ("a brush", WORK),
    "read the manual": ("a lamp", WORK),
    "order a kit": ("a kit", ORDERED),
    "order a board": ("a board on sale", ORDERED),
    "order legs": ("legs on sale", ORDERED),
    "order screws": ("screws on sale", ORDERED),
    "order planks": ("planks on sale", ORDERED),
    "order posts": ("posts on sale", ORDERED),
    "order glue": ("glue on sale", ORDERED),
    "order varnish": ("varnish on sale", ORDERED),
}
"""Jobs: what each needs, and its kind: found things are cheap and often missing, ordered ones dear and mostly there."""

TASKS: tuple[str, ...] = (*THINGS, *PARTS, *JOBS)
"""All tasks; an index into them is a task everywhere else."""

INDEX = {name: i for i, name in enumerate(TASKS)}
WAYS: tuple[tuple[tuple[int, int], ...], ...] = tuple(
    tuple((INDEX[a], INDEX[b]) for a, b in (THINGS | PARTS).get(name, ())) for name in TASKS
)
"""The ways to split every task; none for a job."""

FIRST_JOB = len(THINGS) + len(PARTS)
"""Tasks from here on are jobs."""
