"""`twosome.Search(policy).plan(env)`: one decision of anybody's environment, which is as it was afterwards."""

import gymnasium
import pytest
import twosome_envs  # noqa: F401  registers the ids
from gymnasium.wrappers import RecordEpisodeStatistics, TimeLimit

import twosome
from twosome.agents.planning import search_settings
from twosome.errors import ConfigError
from twosome.systems.baselines.random import RandomPolicy


def world(**kwargs):
    env = gymnasium.make("twosome/Game24-v0", hand=(2, 4, 6, 8), **kwargs)
    env.reset()
    return env


def test_a_plan_solves_a_hand_and_leaves_the_environment_alone():
    env = world()
    before = env.unwrapped.snapshot()
    plan = twosome.Search(RandomPolicy(), simulations=400).plan(env)
    assert env.unwrapped.snapshot() == before
    terminated = False
    for phrase in plan.line:
        _, info = env.unwrapped.restore(env.unwrapped.snapshot())
        _, reward, terminated, _, _ = env.step(info["actions"].index(phrase))
    assert terminated
    assert reward == 1
    assert plan.branches[plan.actions.index(plan.action)].visits > 0


def test_the_index_is_that_of_the_action_space():
    env = world()
    plan = twosome.Search(RandomPolicy(), simulations=8).plan(env)
    _, info = env.unwrapped.restore(env.unwrapped.snapshot())
    assert info["actions"][plan.index] == plan.action


def test_settings_are_checked_with_the_nearest_name():
    with pytest.raises(ConfigError, match="Did you mean 'algorithm'"):
        twosome.Search(RandomPolicy(), algoritm="puct")
    with pytest.raises(ConfigError, match=r"search\.simulations=-1"):
        twosome.Search(RandomPolicy(), simulations=-1)
    with pytest.raises(ConfigError, match="seed=-1 cannot work: expected a whole number"):
        twosome.Search(RandomPolicy(), seed=-1)
    with pytest.raises(ConfigError, match="Known: puct, gumbel"):
        twosome.Search(RandomPolicy(), algorithm="minimax")


def test_what_cannot_be_planned_says_why():
    search = twosome.Search(RandomPolicy(), simulations=4)
    with pytest.raises(ConfigError, match=r"wrapper TimeLimit around it has a state of its own.*max_episode_steps=-1"):
        search.plan(TimeLimit(world(), 3))  # its counter would not go back
    with pytest.raises(ConfigError, match=r"wrapper RecordEpisodeStatistics around it.*Make it without"):
        search.plan(RecordEpisodeStatistics(world()))
    with pytest.raises(ConfigError, match=r"has no snapshot\(\) and restore\(\)"):
        search.plan(gymnasium.make("CartPole-v1"), gamma=1)
    for text in ("twosome/Game24-v0", None, gymnasium.Env):
        with pytest.raises(ConfigError, match=r"is no environment: expected one that gymnasium\.make"):
            search.plan(text)
    for policy in (None, "tiny", object()):
        with pytest.raises(ConfigError, match=r"is no policy: expected one that has decide, log_probs, values"):
            twosome.Search(policy)
    env = world()
    for _ in range(3):
        _, info = env.unwrapped.restore(env.unwrapped.snapshot())
        env.step(int(info["action_mask"].argmax()))
    with pytest.raises(ConfigError, match="is over"):
        search.plan(env)


@pytest.mark.parametrize(
    "wrong",
    [
        {"simulations": 3.5},
        {"simulations": "32"},
        {"simulations": None},
        {"simulations": True},
        {"batch": None},
        {"c": "1"},
        {"prune": "no"},
        {"prune": None},
        {"algorithm": None},
        {"algorithm": ["puct"]},
        {"max_passes": 0.5},
        {"floor": 1e-320},
    ],
    ids=repr,
)
def test_a_setting_of_another_kind_is_named(wrong):
    [name] = wrong
    with pytest.raises(ConfigError, match=rf"search\.{name}"):
        search_settings(**wrong)
    assert search_settings(max_passes=None, c=2, prune=False).c == 2


@pytest.mark.parametrize("gamma", [2, -1, float("inf"), float("nan"), "x", [1]], ids=repr)
def test_a_discount_that_cannot_be_is_refused(gamma):
    env = gymnasium.make("twosome_envs:twosome/TomatoSalad-v0")
    env.reset(seed=0)
    with pytest.raises(ConfigError, match=r"gamma=.*from 0 to 1"):
        twosome.Search(RandomPolicy(), simulations=1).plan(env, gamma=gamma)
