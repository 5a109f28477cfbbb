"""Evaluation: every episode counts once, intervals hold their means, equal seeds give equal episodes."""

import doctest

import pytest

from twosome.config.compose import compose
from twosome.rollout import evaluate
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
