"""Several worlds as one environment."""

import doctest
from pathlib import Path

import gymnasium
import pytest
import twosome_envs  # registers the ids  # noqa: F401
import yaml
from gymnasium.error import ResetNeeded
from twosome_envs.wrappers import mixture

from tests.envs.exact import best_return, graph

SALADS = [
    {"id": "twosome/Overcooked-v0", "kwargs": {"recipe": f"{food} salad"}} for food in ("tomato", "lettuce", "onion")
]
CONF = Path(__file__).parents[2] / "conf" / "env"


def test_the_docstring_runs():
    found = doctest.testmod(mixture)
    assert found.attempted > 0
    assert found.failed == 0


def test_a_mixture_draws_every_world_by_the_seed_and_plays_it_unchanged():
    env = gymnasium.make("twosome/Mixture-v0", worlds=SALADS)
    alone = {i: gymnasium.make(salad["id"], **salad["kwargs"]) for i, salad in enumerate(SALADS)}
    drawn = []
    for seed in range(12):
        observation, _ = env.reset(seed=seed)
        which = env.unwrapped.snapshot().which
        drawn.append(which)
        assert observation["goal"] == alone[which].reset()[0]["goal"]
        for action in (0, 4, 7, 3):
            mixed, single = env.step(action), alone[which].step(action)
            assert mixed[0]["scene"] == single[0]["scene"]
            assert mixed[1:4] == single[1:4]
    assert set(drawn) == {0, 1, 2}
    again = []
    for seed in range(12):
        env.reset(seed=seed)
        again.append(env.unwrapped.snapshot().which)
    assert again == drawn


def test_a_snapshot_of_a_mixture_leads_back_into_its_world():
    env = gymnasium.make("twosome/Mixture-v0", worlds=SALADS).unwrapped
    goals = {}
    for seed in range(12):
        observation, _ = env.reset(seed=seed)
        goals[env.snapshot()] = observation["goal"]
    assert len(set(goals.values())) == 3
    for snapshot, goal in goals.items():
        assert env.restore(snapshot)[0]["goal"] == goal
    with pytest.raises(TypeError, match="what snapshot"):
        env.restore(goals)
    for which in (-1, 3, True):
        with pytest.raises(ValueError, match="another mixture"):
            env.restore(snapshot._replace(which=which))
    assert env.snapshot() == snapshot


@pytest.mark.parametrize(
    ("worlds", "message"),
    [
        ([], "is not a list of worlds"),
        (None, "is not a list of worlds"),
        ("twosome/TomatoSalad-v0", "is not a list of worlds"),
        ({"id": "twosome/TomatoSalad-v0"}, "is not a list of worlds"),
        ([3], "must be {"),
        ([{"id": "twosome/TomatoSalad-v0", "kwargs": "abc"}], "must be {"),
        ([{"id": "twosome/TomatoSalad-v0", "kwargs": {"render_mode": "ansi"}}], "must be {"),
        (["CartPole-v1"], "has no texts and menu"),
        ([{"name": "twosome/TomatoSalad-v0"}], "must be {"),
        (["twosome/TomatoSalad-v0", "twosome/TomatoLettuceSalad-v0"], "has 26 numbers in the vector"),
        (["twosome/FoodPreparation-v0", "twosome/BabyAI-v0"], "the worlds of a mixture must agree"),
    ],
)
def test_a_mixture_says_at_construction_what_is_wrong(worlds, message):
    with pytest.raises(ValueError, match=message):
        gymnasium.make("twosome/Mixture-v0", worlds=worlds)


def test_a_mixture_needs_a_reset():
    with pytest.raises(ResetNeeded):
        gymnasium.make("twosome/Mixture-v0", worlds=SALADS).unwrapped.snapshot()


def test_clear_cache_reaches_every_world(monkeypatch):
    env = gymnasium.make("twosome/Mixture-v0", worlds=SALADS).unwrapped
    cleared = []
    for world in env.worlds:
        monkeypatch.setattr(world, "clear_cache", lambda world=world: cleared.append(world))
    env.clear_cache()
    assert cleared == env.worlds


@pytest.mark.parametrize(("name", "size"), [("households", 7), ("households_3", 3)])
def test_households_have_one_optimum(name, size):
    """Every world of the mixture can earn what `conf/env` says of the whole, by dynamic programming; goals differ."""
    config = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    env = gymnasium.make(config["id"], **config["kwargs"]).unwrapped
    assert len(env.worlds) == size
    goals = set()
    for world in env.worlds:
        goals.add(world.reset()[0]["goal"])
        assert world.gamma == config["gamma"]
        start = world.snapshot().state
        _, ways = graph(world)
        assert best_return(ways, start, world.gamma, world.max_steps) == pytest.approx(config["optimum"], abs=1e-12)
    assert len(goals) == size


def test_some_households_stay_unseen():
    """What one trains on is a part of the whole, and no world is drawn twice as often."""
    few, all_of_them = (
        [entry["id"] for entry in yaml.safe_load((CONF / f"{name}.yaml").read_text())["kwargs"]["worlds"]]
        for name in ("households_3", "households")
    )
    assert set(few) < set(all_of_them)
    assert len(all_of_them) == len(set(all_of_them))
