"""The exact optimum of every kitchen, found through snapshot and restore (SPEC.md, Overcooked 16)."""

from pathlib import Path
from typing import NamedTuple

import gymnasium
import pytest
import yaml
from twosome_envs.overcooked.env import OvercookedEnv

CONF = Path(__file__).parents[2] / "conf" / "env"


class Optimum(NamedTuple):
    states: int
    value: float
    actions: int
    primitive_steps: int
    plan: tuple[int, ...]


def explore(env):
    """The moves of every reachable decision state: (index of the next state or None, reward, duration)."""
    env.reset()
    start = env.snapshot()
    index, snapshots, moves = {start.state: 0}, [start], []
    for snapshot in snapshots:  # grows while it is walked through
        row = []
        for action in range(int(env.action_space.n)):
            env.restore(snapshot._replace(steps=0))
            _, reward, terminated, _, info = env.step(action)
            after = env.snapshot()
            if not terminated and after.state not in index:
                index[after.state] = len(snapshots)
                snapshots.append(after._replace(over=False))
            row.append((None if terminated else index[after.state], reward, info["duration"]))
        moves.append(row)
    return moves


def solve(env) -> Optimum:
    """Value iteration without a horizon, then the plan it yields."""
    moves = explore(env)
    values, change = [0.0] * len(moves), 1.0

    def worth(move):
        after, reward, duration = move
        return reward + (0.0 if after is None else env.gamma**duration * values[after])

    while change > 1e-12:
        change = 0.0
        for i in reversed(range(len(moves))):
            best = max(map(worth, moves[i]))
            change, values[i] = max(change, abs(best - values[i])), best
    at, plan, steps = 0, [], 0
    while at is not None and len(plan) < 100:
        best = max(moves[at], key=worth)
        plan.append(moves[at].index(best))
        at, steps = best[0], steps + best[2]
    return Optimum(len(moves), values[0], len(plan), steps, tuple(plan))


FIGURES = [
    ("W4", "tomato salad", "A", 0.9205180925641949, 6, 28, "tomato_salad"),
    ("W3", "tomato salad", "A", 0.920518, 6, 28, "tomato_salad_w3"),
    ("W3", "lettuce salad", "A", 0.920518, 6, 28, "lettuce_salad"),
    ("W3", "onion salad", "A", 0.918691, 6, 28, "onion_salad"),
    ("W3", "lettuce-tomato salad", "A", 0.9476564569165645, 10, 45, "tomato_lettuce_salad"),
    ("W3", "onion-tomato salad", "A", 0.947656, 10, 45, "onion_tomato_salad"),
    ("W3", "lettuce-onion salad", "A", 0.947656, 10, 45, "lettuce_onion_salad"),
    ("W3", "lettuce-onion-tomato salad", "A", 0.944705, 16, 63, "lettuce_onion_tomato_salad"),
    ("W4", "tomato salad", "C", 0.789087, 8, 40, "tomato_salad_map_c"),
    ("W1", "lettuce-tomato salad", "A", 0.926808, 10, 47, None),
]


def _check(world, recipe, map, value, actions, steps, conf):
    found = solve(OvercookedEnv(world, recipe, map))
    assert found.value == pytest.approx(value, rel=0, abs=1e-6 if len(str(value)) < 12 else 1e-9)
    assert (found.actions, found.primitive_steps) == (actions, steps)
    if conf:
        config = yaml.safe_load((CONF / f"{conf}.yaml").read_text())
        assert config["optimum"] == pytest.approx(found.value, rel=0, abs=1e-9)
        made = gymnasium.make(config["id"], **config["kwargs"]).unwrapped
        assert made.kitchen is OvercookedEnv(world, recipe, map).kitchen
        assert made.gamma == config["gamma"]


@pytest.mark.parametrize(("world", "recipe", "map", "value", "actions", "steps", "conf"), FIGURES)
def test_optimum(world, recipe, map, value, actions, steps, conf):
    _check(world, recipe, map, value, actions, steps, conf)


@pytest.mark.slow
def test_optimum_behind_a_wall():
    _check("W3", "lettuce-tomato salad", "C", 0.800120, 14, 56, "tomato_lettuce_salad_map_c")


def test_a_closed_wall_cannot_be_won():
    moves = explore(OvercookedEnv("W4", "tomato salad", "B"))
    assert all(after is not None for row in moves for after, _, _ in row)


@pytest.mark.parametrize(
    ("world", "recipe", "distinct", "published"),
    [("W4", "tomato salad", 24, 24), ("W3", "lettuce-tomato salad", 1156, 1301)],
)
def test_number_of_decision_states(world, recipe, distinct, published):
    """The published state also has the order in which foods came into the bowl, which changes nothing."""
    env = OvercookedEnv(world, recipe)
    assert len(explore(env)) == distinct

    env.reset()
    start = (env.snapshot(), ())
    seen, todo = {(start[0].state, ())}, [start]
    while todo:
        snapshot, order = todo.pop()
        for action in range(int(env.action_space.n)):
            env.restore(snapshot._replace(steps=0))
            if env.step(action)[2]:
                continue
            after = env.snapshot()._replace(over=False)
            inside = [i for i, at in enumerate(after.state.foods) if at == after.state.plates[0]]
            kept = [i for i in order if i in inside]
            now = (*kept, *(i for i in inside if i not in kept))
            if (after.state, now) not in seen:
                seen.add((after.state, now))
                todo.append((after, now))
    assert len(seen) == published


@pytest.mark.parametrize(
    ("id", "plan", "durations"),
    [
        ("W4", (0, 2, 4, 0, 1, 3), (2, 5, 3, 1, 10, 7)),
        ("W3", (0, 4, 7, 1, 5, 7, 3, 0, 1, 6), (2, 5, 3, 5, 6, 3, 8, 9, 2, 2)),
    ],
)
def test_worked_example(id, plan, durations):
    """The optimal plans of SPEC.md, Overcooked 16, step by step."""
    recipe = {"W4": "tomato salad", "W3": "lettuce-tomato salad"}[id]
    env = OvercookedEnv(id, recipe)
    env.reset()
    taken = [env.step(action)[4] for action in plan]
    assert tuple(info["duration"] for info in taken) == durations
    assert taken[-1]["success"]
    assert taken[-1]["episode"]["l"] == sum(durations)
