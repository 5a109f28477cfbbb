"""Evaluation: every episode counts once, intervals hold their means, equal seeds give equal episodes."""

import doctest
import itertools
import tracemalloc
from contextlib import nullcontext

import numpy as np
import pytest

from twosome.config.compose import compose
from twosome.errors import ConfigError
from twosome.rollout import evaluate
from twosome.rollout.checked_env import World
from twosome.systems.baselines.random import RandomPolicy
from twosome.types import Episode


def test_the_examples_run():
    found = doctest.testmod(evaluate)
    assert found.attempted > 0
    assert found.failed == 0


def test_a_summary_counts_every_episode_once():
    episodes = [Episode(1.0, 10, 5, True), Episode(0.0, 50, 50, False), Episode(0.5, 30, 20, True)]
    summary = evaluate.summarize(episodes)
    assert summary["episodes"] == 3
    assert summary["return_mean"] == pytest.approx(0.5)
    assert summary["success_rate"] == pytest.approx(2 / 3)
    assert summary["length_mean"] == 30
    assert summary["decisions_mean"] == 25
    for name, mean in (("return_interval", 0.5), ("success_interval", 2 / 3)):
        low, high = summary[name]
        assert 0 <= low < mean < high <= 1


@pytest.mark.parametrize(("episodes", "together"), [(1, 8), (9, 4), (5, 5)])
def test_as_many_episodes_as_asked_are_played_whatever_runs_in_parallel(episodes, together, monkeypatch):
    monkeypatch.setattr(evaluate, "TOGETHER", together)
    env = compose(["env=food_preparation"]).env
    assert len(evaluate.run_episodes(RandomPolicy(), env, episodes, greedy=False, seed=0)) == episodes


def test_equal_seeds_evaluate_alike_and_others_do_not():
    env = compose(["env=tomato_salad"]).env

    def returns(seed):
        episodes = evaluate.run_episodes(RandomPolicy(), env, 6, greedy=False, seed=seed)
        return [e.discounted_return for e in episodes]

    assert returns(1) == returns(1) != returns(2)


@pytest.mark.parametrize("n", [2, 7, 1000])
@pytest.mark.parametrize("at_a_time", [1, 1000, 10_000_000])
def test_the_bootstrap_draws_the_same_in_parts(monkeypatch, n, at_a_time):
    """All at once, 100,000 episodes took three gigabytes."""
    monkeypatch.setattr(evaluate, "AT_A_TIME", at_a_time)
    data = np.random.default_rng(5).normal(size=n)
    picks = np.random.default_rng(3).integers(0, n, (2000, n))
    expected = np.quantile(data[picks].mean(axis=1), [0.025, 0.975])
    assert evaluate.bootstrap_interval(data.tolist(), 3) == tuple(expected)


def test_an_interval_of_many_episodes_takes_little_memory():
    tracemalloc.start()
    evaluate.bootstrap_interval([0.0, 1.0] * 50_000, resamples=20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20


@pytest.mark.parametrize("fails", [False, True])
def test_every_world_is_closed(fails, monkeypatch):
    closed, honest, calls = [], World.close, itertools.count()
    monkeypatch.setattr(World, "close", lambda self: (closed.append(self.index), honest(self)))
    step = World.step

    def breaks(self, position):
        if fails and next(calls) == 5:
            raise ConfigError("broken")
        return step(self, position)

    monkeypatch.setattr(World, "step", breaks)
    env = compose(["env=food_preparation"]).env
    with pytest.raises(ConfigError) if fails else nullcontext():
        evaluate.run_episodes(RandomPolicy(), env, 3, greedy=False, seed=0)
    assert sorted(closed) == [0, 1, 2]
