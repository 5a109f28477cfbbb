"""Every recorded episode of the published kitchens replays (SPEC.md, Overcooked 17)."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from twosome_envs.overcooked import text
from twosome_envs.overcooked.env import OvercookedEnv
from twosome_envs.overcooked.layouts import SIZE
from twosome_envs.overcooked.state import NONE

DATA = Path(__file__).parents[1] / "data" / "overcooked"
WORLD = {"Overcooked-LLMA-v2": "W1", "Overcooked-LLMA-v3": "W3", "Overcooked-LLMA-v4": "W4"}

FILES = {  # name: episodes, actions
    "core_v3_task3": (26, 967),
    "core_v4_task0": (26, 711),
    "grid7_v3": (21, 1689),
    "grid7_v4": (21, 2604),
    "radius": (18, 257),
    "recovery": (28, 446),
    "rewards": (12, 498),
}


def _make(episode) -> OvercookedEnv:
    subtask, correct, wrong, step = episode["reward_list"]
    assert episode["grid_dim"] == [SIZE, SIZE]
    assert episode["n_agent"] == 1
    return OvercookedEnv(
        world=WORLD[episode["env_id"]],
        recipe=episode["task_name"],
        map=episode["map_type"],
        rewards={"subtask": subtask, "correct": correct, "wrong": -wrong, "step": -step},
        view_radius=episode["obs_radius"],
    )


def _assert_state(env: OvercookedEnv, recorded) -> None:
    kitchen, state = env.kitchen, env.snapshot().state
    agent, held = tuple(divmod(state.agent, SIZE)), state.held_food()
    if held != NONE:
        holding = kitchen.foods[held]
    else:
        plate = state.plate_at(state.agent)
        holding = None if plate == NONE else f"plate{plate + 1}"
    assert [[*agent, holding]] == recorded["agents"]
    for name, at, chops in zip(kitchen.foods, state.foods, state.chops, strict=True):
        assert [*divmod(at, SIZE), chops] == recorded["food"][name]
    for i, at in enumerate(state.plates):
        contents = [name for name, cell in zip(kitchen.foods, state.foods, strict=True) if cell == at]
        *cell, recorded_contents = recorded["plate"][f"plate{i + 1}"]
        assert [*divmod(at, SIZE)] == cell
        assert sorted(contents) == sorted(recorded_contents)


def _facts(env: OvercookedEnv, state) -> dict:
    facts = text.observed_facts(env.kitchen, state)
    assert not facts.on_wall
    return {
        "boards": facts.boards,
        "noticed": list(facts.noticed),
        "on_board": {str(number): str(thing) for number, thing in facts.on_board},
        "in_front": facts.in_front or None,
        "holding": str(facts.holding) if facts.holding else None,
    }


def _replay(episode) -> int:
    env = _make(episode)
    assert [action.name for action in env.kitchen.actions] == episode["action_names"]
    observation, info = env.reset()
    for recorded in episode["steps"]:
        state = env.snapshot().state
        _assert_state(env, recorded["state"])
        np.testing.assert_allclose(observation["vector"], recorded["obs"], rtol=0, atol=1e-6)
        if "sem" in recorded:
            assert [str(meaning) for meaning in text.action_meanings(env.kitchen, state)] == recorded["sem"]
            goal = recorded["facts"].pop("goal")
            assert _facts(env, state) == recorded["facts"]
            assert observation["goal"].endswith(f"only chopped {text.listed(goal)}.")
        observation, reward, terminated, truncated, info = env.step(recorded["action"])
        assert reward == pytest.approx(recorded["reward"], rel=0, abs=1e-9)
        assert (terminated or truncated) == recorded["done"]
        assert info["duration"] == recorded["macro_action_steps"]
    np.testing.assert_allclose(observation["vector"], episode["final_obs"], rtol=0, atol=1e-6)
    _assert_state(env, episode["final_state"])
    assert env.snapshot().steps == episode["prim_steps"]
    assert info["success"] == episode["success"]
    assert env.snapshot().discounted_return == pytest.approx(episode["ret_disc"], rel=0, abs=1e-9)
    if recorded["done"]:
        assert terminated == episode["success"]
        assert truncated == (not episode["success"])
        assert info["episode"] == {"r": env.snapshot().discounted_return, "l": episode["prim_steps"]}
    return len(episode["steps"])


@pytest.mark.parametrize("name", FILES)
def test_recorded_episodes_replay(name):
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt") as lines:
        lengths = [_replay(json.loads(line)) for line in lines]
    assert (len(lengths), sum(lengths)) == FILES[name]


def test_all_recorded_files_are_replayed():
    assert {path.name.removesuffix(".jsonl.gz") for path in DATA.iterdir()} == set(FILES)
