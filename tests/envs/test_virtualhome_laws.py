"""Property tests of the household tasks under arbitrary play."""

import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st
from twosome_envs.virtualhome import SPECS, appliance, entertainment
from twosome_envs.virtualhome.env import VirtualHomeEnv
from twosome_envs.virtualhome.tasks import LIVING_ROOM, TASKS

IDS = st.sampled_from(sorted(SPECS))
PLAY = st.lists(st.integers(0, 16), max_size=50)


def play(env, actions):
    """Take actions (modulo the size of the menu) until the episode ends: everything seen on the way."""
    seen = []
    for action in actions:
        observation, *rest, info = env.step(action % env.action_space.n)
        shown = {**observation, "vector": tuple(observation["vector"])}
        seen.append((shown, *rest, {**info, "action_mask": tuple(info["action_mask"])}))
        if rest[1] or rest[2]:
            break
    return seen


def made(env_id):
    env = VirtualHomeEnv(**SPECS[env_id])
    env.reset()
    return env


def check_appliance(task, state, corrected):
    assert not (state.held and state.inside)
    assert state.near_item or not state.held
    assert state.room == task.appliance_room or not state.near_appliance
    assert state.recorded == task.appliance_room or not state.inside
    if corrected:
        place = state.room if state.held else task.appliance_room if state.inside else task.item_room
        assert state.recorded == place


def check_entertainment(state, corrected):
    assert not state.held & state.on_table
    assert state.held & ~entertainment.BOTH_ITEMS == state.on_table & ~entertainment.BOTH_ITEMS == 0
    assert state.held & ~state.near == 0
    for item in (0, 1):
        assert state.recorded[item] == LIVING_ROOM or not state.on_table & 1 << item
        assert not corrected or not state.held & 1 << item or state.recorded[item] == state.room
    furniture = state.near & ~entertainment.BOTH_ITEMS
    assert state.room == LIVING_ROOM or not furniture
    assert furniture.bit_count() <= 1
    assert not state.seated or (state.on_sofa and state.facing and furniture == entertainment.SOFA)
    if corrected:
        assert state.seated == state.on_sofa == state.facing


@given(IDS, PLAY)
def test_nothing_is_duplicated_or_lost(env_id, actions):
    env, kwargs = made(env_id), SPECS[env_id]
    for action in actions:
        *_, terminated, truncated, _ = env.step(action % env.action_space.n)
        state, corrected = env.snapshot().state, kwargs.get("rules") == "corrected"
        if isinstance(state, appliance.State):
            check_appliance(TASKS[kwargs["task"]], state, corrected)
        else:
            check_entertainment(state, corrected)
        if terminated or truncated:
            break


@given(IDS, PLAY)
def test_time_moves_forward_and_a_failed_action_changes_nothing(env_id, actions):
    env = made(env_id)
    for t, action in enumerate(actions):
        before = env.snapshot()
        _, reward, terminated, truncated, info = env.step(action % env.action_space.n)
        after = env.snapshot()
        assert after.steps == before.steps + 1 == t + 1
        assert after.state == before.state or info["executed"]
        assert reward == float(terminated) == float(info["success"])
        assert truncated == (not terminated and t + 1 == 50)
        assert info["duration"] == 1
        if terminated or truncated:
            assert info["episode"] == {"r": pytest.approx(0.95**t * reward), "l": t + 1}
            break


@given(IDS, PLAY)
def test_same_actions_same_transcript(env_id, actions):
    assert play(made(env_id), actions) == play(made(env_id), actions)


@given(IDS, PLAY, PLAY, PLAY)
def test_restoring_a_snapshot_is_the_identity(env_id, before, between, after):
    env = made(env_id)
    play(env, before)
    snapshot = env.snapshot()
    assert {snapshot: 1}[snapshot] == 1
    if snapshot.over:
        return
    expected = play(env, after)
    env.restore(snapshot)
    play(env, between)
    env.restore(snapshot)
    assert env.snapshot() == snapshot
    assert play(env, after) == expected
    other = made(env_id)
    other.restore(snapshot)
    assert play(other, after) == expected


@given(IDS, PLAY)
def test_vector_is_the_observation_of_the_room_and_hands(env_id, actions):
    for observation, *_, info in play(made(env_id), actions):
        assert sum(observation["vector"][:4]) == 1
        assert set(observation["vector"]) <= {0.0, 1.0}
        assert any(info["action_mask"])


@pytest.mark.parametrize("env_id", SPECS)
def test_contract(env_id):
    check_env(VirtualHomeEnv(**SPECS[env_id]), skip_render_check=True)


def test_vectors_are_not_shared_between_steps():
    env = made("twosome/FoodPreparation-v0")
    first, _ = env.reset()
    first["vector"][:] = 7
    assert env.reset()[0]["vector"].tolist() == [1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0]
    assert first["vector"].dtype == np.float32


def test_step_before_reset_and_after_the_end():
    env = VirtualHomeEnv()
    with pytest.raises(ResetNeeded):
        env.step(0)
    env.reset()
    for action in (4, 6, 5, 8, 7, 9):
        env.step(action)
    with pytest.raises(ResetNeeded):
        env.step(0)


@pytest.mark.parametrize("action", [10, -1, 1.5, "open the microwave", None, True])
def test_what_is_no_action(action):
    with pytest.raises(InvalidAction, match="4: walk to the pancake"):
        made("twosome/FoodPreparation-v0").step(action)


@pytest.mark.parametrize(
    ("kwargs", "near"),
    [
        ({"task": "food_preperation"}, "food_preparation"),
        ({"rules": "correct"}, "corrected"),
        ({"prompt": "ful"}, "full"),
        ({"backend": "virtual_home"}, "virtualhome"),
        ({"render_mode": "rgb_arry"}, "rgb_array"),
    ],
)
def test_unknown_names_get_a_near_miss(kwargs, near):
    (what,) = kwargs
    with pytest.raises(ValueError, match=rf"Unknown {what} .*Did you mean '{near}'"):
        VirtualHomeEnv(**kwargs)
