"""What a stranger could write into `state.json`, in each format that can be read."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

HUGE = 10**400  # no float holds it
DEEP: list[Any] = []
for _ in range(400):
    DEEP = [DEEP]

WHOLE_FILES = [
    *("3", "null", "{}", "[]", '"x"', "", "\x00", "NaN", "\ud800", "1" * 10_000, "[" * 100_000, '{"a":' * 100_000),
    "{" + '"a":1,' * 3,
]
Path = tuple[Any, ...]
Case = tuple[Path, Any]  # where in the state, and the value that is put there


def hostile(whole: dict[str, Any], version: int) -> list[str]:
    """Texts for `state.json`, none of which is the state of a run."""
    cases = {1: _format_1, 2: _format_2}[version](whole)
    changed = [json.dumps(changed_at(whole, path, value)) for path, value in cases]
    return [*WHOLE_FILES, *changed, *(json.dumps({k: v for k, v in whole.items() if k != key}) for key in whole)]


def changed_at(whole: Any, path: Path, value: Any) -> Any:
    """A copy of a nest with another value at a place."""
    if not path:
        return value
    copied = copy.copy(whole)
    copied[path[0]] = changed_at(whole[path[0]], path[1:], value)
    return copied


def changed_at_random(whole: Any, rng: random.Random) -> Any:
    """A copy with any value at any place, or without that place."""
    places = list(_places(whole))
    path = rng.choice(places)
    values = [
        *(None, True, -1, 0, 2, 2**31, 2**63, -(2**63), HUGE, 1.5, -0.1, 1e300, float("inf"), float("nan")),
        *("", "x", "x" * 10_000, "\ud800", "2", [], {}, [[]], [None], {"x": 1}, {"$tensor": "nowhere"}, DEEP),
        *({"$tensor": wrong} for wrong in (None, 3, ["x"], {"$tensor": "x"})),
        *({"$tensor": name} for name in _references(whole)),
        *(_at(whole, other) for other in rng.sample(places, 5)),
    ]
    if path and rng.random() < 0.2:
        parent = _at(whole, path[:-1])
        left = {k: v for k, v in parent.items() if k != path[-1]} if isinstance(parent, dict) else parent[1:]
        return changed_at(whole, path[:-1], left)
    return changed_at(whole, path, rng.choice(values))


def _at(whole: Any, path: Path) -> Any:
    for key in path:
        whole = whole[key]
    return whole


def _places(node: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _places(value, (*path, key))
    elif isinstance(node, list):
        for k, value in enumerate(node[:3]):
            yield from _places(value, (*path, k))


def _references(node: Any) -> list[str]:
    """The names of tensors in a state of format 2."""
    if isinstance(node, dict):
        own = [node["$tensor"]] if node.keys() == {"$tensor"} else []
        return own + [name for value in node.values() for name in _references(value)]
    return [name for value in node for name in _references(value)] if isinstance(node, list) else []


def _counters(*paths: Path) -> Iterator[Case]:
    return ((path, value) for path in paths for value in (None, "1", -1, 1.5, True, HUGE, 2**60, [], {"$tensor": "x"}))


def _numbers(*paths: Path) -> Iterator[Case]:
    return ((path, value) for path in paths for value in (None, "1", True, HUGE, [1], {}))


def _anything_but_a_mapping(*paths: Path) -> Iterator[Case]:
    return ((path, value) for path in paths for value in (None, 3, "x", [], [[1, 2]], DEEP))


def _anything_but_a_list(*paths: Path) -> Iterator[Case]:
    return ((path, value) for path in paths for value in (None, 3, "x", {"x": 1}))


def _without(whole: Any, *paths: Path) -> Iterator[Case]:
    """Every key of these mappings left out."""
    for path in paths:
        mapping = _at(whole, path)
        needed = mapping.keys() - {"menu"}  # of a world, which checkpoints from before 2026-11-28 lack
        yield from ((path, {k: v for k, v in mapping.items() if k != key}) for key in sorted(needed))


def _samples(path: Path, sample: list[Any], new: dict[int, list[Any]]) -> Iterator[Case]:
    """A rollout of self-imitation with one wrong sample; `new`: wrong values by position."""
    for position, values in new.items():
        yield from ((path, [[changed_at(sample, (position,), value)]]) for value in values)
    yield from ((path, wrong) for wrong in ([[sample[:-1]]], [[[*sample, 1]]], [[None]], [3], [["x"]], [[DEEP]]))


def _format_2(whole: dict[str, Any]) -> Iterator[Case]:
    policy, learner, worlds, progress = ("policy",), ("learner",), ("worlds",), ("progress",)
    engine, equivalence = (*policy, "engine"), (*policy, "engine", "equivalence")
    world = (*worlds, "worlds", 0)
    samples = (*learner, "self_imitation", "rollouts")
    steps, actions = _at(whole, (*learner, "actor")), _at(whole, (*world, "actions"))
    features = _at(whole, (*policy, "features"))
    yield from _anything_but_a_mapping(policy, learner, worlds, progress, engine, equivalence, world, ("random",))
    yield from _anything_but_a_mapping((*learner, "actor"), (*learner, "critic", "0"), (*learner, "self_imitation"))
    yield from _without(whole, policy, engine, equivalence, learner, worlds, world, progress, ("random",))
    yield from _without(whole, (*learner, "actor", "0"))
    yield from _counters(*((*learner, name) for name in ("updates", "bad_updates")))
    yield from _counters(*((*progress, name) for name in ("steps", "updates", "episodes")), (*engine, "token_budget"))
    yield from _counters((*worlds, "failed"), (*worlds, "finished"), (*world, "episode"), (*progress, "best", "step"))
    yield from _numbers((*progress, "wall_seconds"), (*progress, "first_ratio_deviation"))
    yield from _numbers((*progress, "best", "greedy"), (*progress, "last_evaluation", "greedy", "return_mean"))
    yield from _numbers((*progress, "eval_before", "sampled", "success_rate"))
    yield from (((*progress, "best"), value) for value in (3, [], {}, "x", {"step": 1}))
    yield from (((*progress, "eval_before"), value) for value in (3, [1], {}, "x", {"greedy": {}, "sampled": {}}))
    yield from (
        ((*progress, "recent"), value) for value in (None, 3, [1], [[1]], [[0.5, 1, 1, None]], [["x", 1, 1, True]])
    )
    yield from (
        ((*equivalence, "inside"), value) for value in (3, "trie", [1], {"scorer": "trie", "command": "os.system"})
    )
    yield from (
        ((*equivalence, "inside", name), value) for name in ("value_error", "refused") for value in ("x", [1], 10)
    )
    yield from _anything_but_a_list(
        (*worlds, "worlds"), (*world, "actions"), (*world, "events"), (*policy, "states"), samples
    )
    yield from (((*worlds, "worlds"), value) for value in ([], [{}], [{"episode": "0"}] * 4, [None] * 4))
    yield from (
        ((*world, "actions"), [*actions, value])
        for value in (None, "0", 0.0, True, [0], {"$tensor": features["$tensor"]})
    )
    yield from (((*world, "state"), value) for value in (None, 3, ["x"], {"x": "y"}))
    yield from (((*world, "menu"), value) for value in (3, "wait", [3], [None], {"x": "y"}))
    yield from (
        ((*learner, "count_bonus", "counts"), {"x": value}) for value in (0, -1, 1.5, "1", None, True, 2**60, HUGE)
    )
    yield from _anything_but_a_mapping((*learner, "count_bonus", "counts"))
    # The tensors: unknown, of another shape, used twice, no tensors
    references = (
        (*policy, "features"),
        (*learner, "actor", "0", "exp_avg"),
        (*learner, "critic", "1", "step"),
        ("random", "act"),
    )
    for place in references:
        wrong = [None, 3, ["x"], {"x": 1}, {"$tensor": "x"}, True, HUGE, "", "nowhere", "nowhere" * 1000, "a\n\nb"]
        yield from ((place, {"$tensor": name}) for name in wrong)
        yield from ((place, value) for value in (3, "x", [0.5], {}, [[0.0] * 32], {"$tensor": "x", "y": 1}))
        yield from ((place, _at(whole, other)) for other in references if other != place)
    yield (*policy, "features"), None
    yield (*policy, "states"), [*_at(whole, (*policy, "states")), "one more"]
    yield (*policy, "states"), [3] * len(_at(whole, (*policy, "states")))
    for index in ("-1", "99", "x", "00", " 0", ""):
        yield (*learner, "actor"), {index: steps["0"]}
    sample = ["Goal: x.\nScene: y.", None, ["eat", "sleep"], [], 1, 0.5]
    texts = [None, 3, ["x"]]
    new = {
        0: texts,
        1: [3, ["x"]],
        2: ["ab", [], [1, 2], ["eat", ""], ["eat", "eat"], None],
        3: [[1.0], "ab", ["x", "y"], 3],
    }
    new |= {4: [-1, 2, "1", None, 1.0, True, HUGE], 5: [None, "x", float("nan"), float("inf"), 1e39, HUGE, [1]]}
    yield from _samples(samples, sample, new)


def _format_1(whole: dict[str, Any]) -> Iterator[Case]:
    run, counters, scorers = ("run",), ("counters",), ("probes",)
    stats, worlds = (*run, "stats"), (*run, "worlds")
    world = (*worlds, "worlds", 0)
    actions = _at(whole, (*world, "actions"))
    yield from _anything_but_a_mapping(run, counters, scorers, stats, worlds, world)
    yield from _without(whole, counters, scorers, stats, worlds, world)
    yield from ((run, {k: v for k, v in whole["run"].items() if k != key}) for key in ("worlds", "stats", "imitation"))
    yield from _counters(*((*counters, name) for name in ("updates", "bad_updates", "token_budget")))
    yield from _counters(*((*stats, name) for name in ("steps", "updates", "episodes")), (*world, "episode"))
    yield from _counters((*worlds, "failed"), (*worlds, "finished"), (*stats, "best", "step"))
    yield from _numbers((*stats, "wall_seconds"), (*stats, "last_evaluation", "greedy", "return_mean"))
    yield from (((*stats, "best"), value) for value in (3, [], {}, "x"))
    yield from (((*stats, "recent"), value) for value in (None, 3, [1], [[1]], [[0.5, 1, 1, None]]))
    yield from _anything_but_a_list((*worlds, "worlds"), (*world, "actions"), ("prompts",), (*run, "imitation"))
    yield from (((*worlds, "worlds"), value) for value in ([], [{}], [{"episode": "0"}] * 4))
    yield from (((*world, "actions"), [*actions, value]) for value in (None, "0", 0.0, True, {"$tensor": "features"}))
    yield from (((*world, "prompt"), value) for value in (None, 3, {"$tensor": "features"}))
    yield from ((("prompts",), value) for value in (["a"], [3] * len(whole["prompts"]), {"$tensor": "features"}))
    yield from (((*run, "novelty"), value) for value in (None, 3, [1], {"x": 0}, {"x": "1"}, {"x": HUGE}))
    yield from (
        ((*scorers, "inside"), value) for value in ("forest", [1], {"scorer": "forest", "command": "os.system"})
    )
    yield from (((*scorers, "inside", "refused"), value) for value in (3, ["forest"], {"forest": 3}, None))
    yield from (((*scorers, "inside", "scorer"), value) for value in ([], {}, {"$tensor": "features"}))
    sample = ["Goal: x.\nScene: y.", ["eat", "sleep"], 1, 0.5]
    new = {0: [None, 3, ["x"]], 1: ["ab", [], [1, 2], ["eat", "eat"], None], 2: [-1, 2, "1", None, True, HUGE]}
    yield from _samples((*run, "imitation"), sample, new | {3: [None, "x", float("nan"), 1e39, HUGE, [1]]})
