"""Exhaustive facts of the household tasks, found by search through `snapshot` and `restore`.

Numbers: SPEC.md, VirtualHome 4.4, 5.4, 6, 7 and 12.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from twosome_envs.virtualhome import SPECS
from twosome_envs.virtualhome.env import VirtualHomeEnv

CONF = Path(__file__).parents[2] / "conf" / "env"
PUBLISHED = ("twosome/FoodPreparation-v0", "twosome/Entertainment-v0")
CORRECTED = ("twosome/FoodPreparation-v1", "twosome/Entertainment-v1")


class Edge(NamedTuple):
    action: int
    target: object
    reward: float
    success: bool
    executed: bool


class Graph(NamedTuple):
    """All that can be reached from the start; nothing is followed beyond success."""

    start: object
    edges: dict
    successes: set
    vectors: dict
    scenes: dict
    depths: dict


@functools.cache
def explore(env_id, arbitrary=False):
    """The reachable states by legal (or by arbitrary) actions, breadth first."""
    env = VirtualHomeEnv(**SPECS[env_id])
    observation, info = env.reset()
    first = env.snapshot()
    graph = Graph(first.state, {}, set(), {}, {}, {first.state: 0})
    graph.vectors[first.state], graph.scenes[first.state] = tuple(observation["vector"]), observation["scene"]
    frontier = [(first, info["action_mask"])]
    for snapshot, mask in frontier:
        edges = graph.edges[snapshot.state] = []
        for action in range(len(mask)):
            if not (mask[action] or arbitrary):
                continue
            env.restore(snapshot)
            observation, reward, terminated, _, info = env.step(action)
            after = env.snapshot()
            edges.append(Edge(action, after.state, reward, terminated, info["executed"]))
            if after.state in graph.vectors:
                continue
            graph.vectors[after.state] = tuple(observation["vector"])
            graph.scenes[after.state] = observation["scene"]
            graph.depths[after.state] = graph.depths[snapshot.state] + 1
            if terminated:
                graph.successes.add(after.state)
            else:
                frontier.append((after, info["action_mask"]))
    return graph


def shortest_plans(graph):
    """Every shortest sequence of actions that ends in success."""
    plans = [((), graph.start)]
    while plans:
        longer = [((*plan, e.action), e) for plan, state in plans for e in graph.edges[state]]
        won = [plan for plan, edge in longer if edge.success]
        if won:
            return won
        plans = [(plan, e.target) for plan, e in longer if graph.depths[e.target] == len(plan) and not e.success]
    return []


def dead_ends(graph):
    """States from which no sequence of legal actions leads to success."""
    alive, size = set(graph.successes), -1
    while len(alive) != size:
        size = len(alive)
        alive |= {state for state, edges in graph.edges.items() if any(e.target in alive for e in edges)}
    return set(graph.vectors) - alive


def uniform_play(graph, gamma=0.95, steps=50):
    """Success rate, mean return, mean length and rate of entering a dead end of uniform play, exactly."""
    dead = dead_ends(graph)
    here, success, mean_return, length = {graph.start: 1.0}, 0.0, 0.0, 0.0
    for t in range(steps):
        length += sum(here.values())
        after: dict = {}
        for state, p in here.items():
            edges = graph.edges[state]
            for e in edges:
                share = p / len(edges)
                if e.success:
                    success += share
                    mean_return += share * gamma**t * e.reward
                else:
                    after[e.target] = after.get(e.target, 0.0) + share
        here = after
    return success, mean_return, length, sum(p for state, p in here.items() if state in dead)


@pytest.mark.parametrize(
    ("env_id", "states", "reached", "observations"),
    [("twosome/FoodPreparation-v0", 45, 51, (19, 19)), ("twosome/Entertainment-v0", 219, 572, (100, 213))],
)
def test_published_state_counts(env_id, states, reached, observations):
    legal, arbitrary = explore(env_id), explore(env_id, arbitrary=True)
    assert (len(legal.edges), len(arbitrary.edges)) == (states, reached)
    assert (len(set(legal.vectors.values())), len(set(arbitrary.vectors.values()))) == observations


@pytest.mark.parametrize(("env_id", "pairs"), list(zip(PUBLISHED, (8, 26), strict=True)))
def test_the_observation_hides_what_some_actions_depend_on(env_id, pairs):
    graph = explore(env_id)
    outcomes = {}
    for state, edges in graph.edges.items():
        for e in edges:
            key = (graph.vectors[state], e.action)
            outcomes.setdefault(key, set()).add((graph.vectors[e.target], e.executed))
    assert sum(len(seen) > 1 for seen in outcomes.values()) == pairs


@pytest.mark.parametrize("arbitrary", [False, True], ids=["legal", "arbitrary"])
@pytest.mark.parametrize(("env_id", "steps", "last"), [(PUBLISHED[0], 6, 9), (PUBLISHED[1], 11, 15)], ids=PUBLISHED)
def test_published_optimum(env_id, steps, last, arbitrary):
    graph = explore(env_id, arbitrary)
    plans = shortest_plans(graph)
    assert {len(plan) for plan in plans} == {steps}
    assert {e.action for edges in graph.edges.values() for e in edges if e.success} == {last}
    if not arbitrary:
        assert len(plans) == len(set(plans)) == {6: 1, 11: 8}[steps]
    if steps == 6:
        assert plans == [(4, 6, 5, 8, 7, 9)]
    else:
        assert (4, 9, 5, 10, 0, 6, 11, 7, 13, 8, 15) in plans
        assert (0, 7, 13, 1, 4, 9, 5, 10, 0, 8, 15) in plans


@pytest.mark.parametrize(
    ("env_id", "success", "mean_return", "length", "dead"),
    [(PUBLISHED[0], 1.500, 0.00288, 49.795, 0.0), (PUBLISHED[1], 0.304, 0.00043, 49.97, 14.9)],
    ids=PUBLISHED,
)
def test_uniform_play(env_id, success, mean_return, length, dead):
    figures = uniform_play(explore(env_id))
    assert 100 * figures[0] == pytest.approx(success, abs=5e-4)
    assert figures[1] == pytest.approx(mean_return, abs=5e-6)
    assert figures[2] == pytest.approx(length, abs=5e-3)
    assert 100 * figures[3] == pytest.approx(dead, abs=5e-2)


@pytest.mark.parametrize("env_id", SPECS)
def test_every_optimum_is_the_one_in_conf(env_id):
    files = [yaml.safe_load(path.read_text()) for path in CONF.glob("*.yaml")]
    (conf,) = [conf for conf in files if conf["id"] == f"twosome_envs:{env_id}"]
    plan = shortest_plans(explore(env_id))[0]
    env = VirtualHomeEnv(**SPECS[env_id])
    env.reset()
    for action in plan:
        *_, terminated, truncated, info = env.step(action)
    assert terminated
    assert not truncated
    assert info["episode"] == {"r": pytest.approx(conf["optimum"], abs=1e-12), "l": len(plan)}
    assert conf["gamma"] == env.gamma


@pytest.mark.parametrize("env_id", SPECS)
def test_dead_ends(env_id):
    assert len(dead_ends(explore(env_id))) == (37 if env_id == "twosome/Entertainment-v0" else 0)


@pytest.mark.parametrize("env_id", CORRECTED)
def test_corrected_menus_hold_exactly_what_can_be_done(env_id):
    legal, arbitrary = explore(env_id), explore(env_id, arbitrary=True)
    for state, edges in legal.edges.items():
        assert all(e.executed for e in edges)
        assert edges
        offered = {e.action for e in edges}
        # What could be done and is not offered is a walk to where one is already.
        walks = {a for a, phrase in enumerate(_actions(env_id)) if phrase.startswith("walk")}
        assert {e.action for e in arbitrary.edges[state] if e.executed} - offered <= walks
    assert set(legal.edges) == set(arbitrary.edges)


@pytest.mark.parametrize("env_id", CORRECTED)
def test_corrected_scenes_tell_states_apart(env_id):
    scenes = explore(env_id).scenes
    assert len(set(scenes.values())) == len(scenes)


@pytest.mark.parametrize("env_id", [env_id for env_id in SPECS if env_id not in CORRECTED])
def test_published_scenes_are_functions_of_the_observation(env_id):
    graph = explore(env_id, arbitrary=True)
    told = {}
    for state, vector in graph.vectors.items():
        assert told.setdefault(vector, graph.scenes[state]) == graph.scenes[state]


@pytest.mark.parametrize("env_id", SPECS)
def test_scenes_are_short(env_id):
    assert max(len(scene.split()) for scene in explore(env_id, arbitrary=True).scenes.values()) <= 61


def _actions(env_id):
    return VirtualHomeEnv(**SPECS[env_id]).reset()[1]["actions"]
