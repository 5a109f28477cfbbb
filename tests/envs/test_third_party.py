"""Third-party environments and wrappers meet one contract: random play, seeds, snapshots, named errors."""

import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import twosome_envs  # registers the ids
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env
from twosome_envs.wrappers.mixture import Mixture

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SALADS = [
    {"id": "twosome/Overcooked-v0", "kwargs": {"recipe": f"{food} salad"}} for food in ("tomato", "lettuce", "onion")
]


@pytest.fixture(params=["babyai", "textworld", "lake", "balcony", "mixture"])
def make(request, games, lake, monkeypatch):
    """How to make a third-party environment, with further keyword arguments."""
    if request.param == "babyai":
        pytest.importorskip("minigrid")
        return lambda **kw: gymnasium.make("twosome/BabyAI-v0", level="BabyAI-GoToLocal-v0", **kw)
    if request.param == "textworld":
        pytest.importorskip("textworld")
        return lambda **kw: gymnasium.make("twosome/TextWorld-v0", seed=3, folder=games, **kw)
    if request.param == "mixture":
        return lambda **kw: gymnasium.make("twosome/Mixture-v0", worlds=SALADS, **kw)
    if request.param == "lake":
        return lake
    monkeypatch.syspath_prepend(str(NOTEBOOKS))
    return lambda **kw: gymnasium.make("own_environment:Balcony-v0", **kw)


def play(env, seed, steps=60):
    """Random play from `seed` on, `reset()` between episodes: every observation, menu, reward and end."""
    rng = np.random.default_rng(0)
    observation, info = env.reset(seed=seed)
    transcript = []
    for _ in range(steps):
        action = int(rng.choice(np.flatnonzero(info["action_mask"])))
        observation, reward, terminated, truncated, info = env.step(action)
        numbers = tuple(observation["vector"].tolist())
        transcript.append((observation["scene"], observation["goal"], numbers, info["actions"], action, reward))
        transcript.append((info["action_mask"].tolist(), terminated, truncated, info["success"], info.get("episode")))
        if terminated or truncated:
            observation, info = env.reset()
    return transcript


def test_it_passes_gymnasiums_own_check(make):
    env = make()
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


def test_it_keeps_the_contract_in_random_play(make):
    env = make()
    rng = np.random.default_rng(1)
    observation, info = env.reset(seed=5)
    ends = 0
    expected_return = steps = 0
    for _ in range(300):
        assert env.observation_space.contains(observation)
        actions, mask = info["actions"], info["action_mask"]
        assert isinstance(actions, tuple)
        assert all(isinstance(a, str) for a in actions)
        assert mask.dtype == bool
        assert len(actions) == len(mask) == env.action_space.n == len(set(actions))
        assert mask.any()
        assert observation["vector"].dtype == np.float32
        action = rng.choice(np.flatnonzero(mask))  # numpy's integers are welcome
        observation, reward, terminated, truncated, info = env.step(action)
        assert info["duration"] == 1 or isinstance(env.unwrapped, Mixture)  # a kitchen's actions last longer
        assert not (terminated and truncated)
        expected_return += 0.99**steps * reward
        steps += info["duration"]
        assert ("episode" in info) == (terminated or truncated)
        if terminated or truncated:
            assert info["episode"] == {"r": pytest.approx(expected_return), "l": steps}
            assert info["success"] == (terminated and reward > 0)
            ends += 1
            observation, info = env.reset()
            expected_return = steps = 0
    assert ends > 0
    env.close()


def test_equal_seeds_play_alike_and_episodes_follow_from_the_seed(make):
    first, second = make(), make()
    assert play(first, seed=11) == play(second, seed=11)
    assert play(first, seed=11) == play(first, seed=11)
    first.close()
    second.close()


def test_restore_of_snapshot_is_the_identity(make):
    env = make()
    world = env.unwrapped
    rng = np.random.default_rng(2)
    observation, info = env.reset(seed=3)
    for _ in range(6):
        before, seen, menu = world.snapshot(), observation["scene"], info["actions"]
        for _ in range(3):  # continue at random
            observation, _, terminated, truncated, info = env.step(rng.choice(np.flatnonzero(info["action_mask"])))
            if terminated or truncated:
                break
        observation, info = world.restore(before)
        assert (observation["scene"], info["actions"]) == (seen, menu)
        assert world.snapshot() == before
        assert hash(world.snapshot()) == hash(before)
        observation, _, terminated, truncated, info = env.step(int(np.flatnonzero(info["action_mask"])[-1]))
        if terminated or truncated:
            observation, info = env.reset()
    env.close()


@pytest.mark.parametrize("action", [-1, 1000, 1.5, "go left", True, None])
def test_what_is_no_action_index_is_refused_with_the_menu(action, lake):
    env = lake()
    env.reset(seed=0)
    with pytest.raises(InvalidAction, match=r"from 0 to 3, got .*Legal here: 0: go left"):
        env.step(action)


def test_a_step_needs_a_reset(lake):
    env = lake()
    with pytest.raises(ResetNeeded, match="before the first reset"):
        env.step(0)
    with pytest.raises(ResetNeeded, match="before the first reset"):
        env.snapshot()
    env.reset(seed=0)
    while not any(env.step(1)[2:4]):
        pass
    with pytest.raises(ResetNeeded, match="after the episode has ended"):
        env.step(0)


def test_an_environment_that_is_not_deterministic_is_reported(lake):
    count = iter(range(10**6))
    env = lake()
    env._describe = lambda cell: f"Glance number {next(count)}."
    env.reset(seed=0)
    with pytest.raises(RuntimeError, match="is not deterministic"):
        env.restore(env.snapshot())
    with pytest.raises(TypeError, match=r"what snapshot\(\) returned, got int"):
        env.restore(3)


def test_clear_cache_changes_nothing(make):
    env, twin = make(), make()
    env.unwrapped.clear_cache()
    before = play(env, seed=4, steps=20)
    env.unwrapped.clear_cache()
    assert play(env, seed=4, steps=20) == before == play(twin, seed=4, steps=20)
    env.close()
    twin.close()


@pytest.mark.parametrize(("package", "name"), [("minigrid", "BabyAI"), ("textworld", "TextWorld")])
def test_a_missing_package_names_its_remedy(package, name, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf'pip install "twosome\[{package}\]"'):
        gymnasium.make(f"twosome/{name}-v0")


def test_the_ids_are_registered_without_loading_the_packages():
    assert set(twosome_envs.OTHERS) <= set(gymnasium.registry)
