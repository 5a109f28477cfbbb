"""Evaluation: whole episodes, honest intervals, checkpoints x worlds beside the optimum and random play."""

import csv
import doctest
import json

import pytest

from twosome.rollout import evaluate
from twosome.systems.baselines.random import RandomPolicy
from twosome.config.compose import compose
from twosome.training.loop import main as train
from twosome.errors import ConfigError
from twosome.types import Episode

QUICK = ["experiment=debug", "total_steps=128", "log.eval_interval=0", "log.eval_episodes_final=1", "log.tensorboard=false"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eval") / "run"
    train([*QUICK, "env=food_preparation", f"run_dir={folder}"])
    return folder


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


def test_as_many_episodes_as_asked_are_played_whatever_runs_in_parallel():
    env = compose(["env=food_preparation"]).env
    for episodes, parallel in ((1, 8), (9, 4), (5, 5)):
        played = evaluate.run_episodes(RandomPolicy(), env, "{scene}", episodes, greedy=False, seed=0, parallel=parallel)
        assert len(played) == episodes


def test_equal_seeds_evaluate_alike_and_others_do_not():
    env = compose(["env=tomato_salad"]).env

    def returns(seed):
        return [e.discounted_return for e in evaluate.run_episodes(RandomPolicy(), env, "{scene}", 6, greedy=False, seed=seed)]

    assert returns(1) == returns(1) != returns(2)


def test_checkpoints_times_worlds_beside_random_play(trained, tmp_path):
    argv = [f"checkpoint=[{trained},tiny]", "env=[food_preparation,cheese]", "episodes=3", f"out={tmp_path}"]
    evaluate.main(argv)
    report = json.loads((tmp_path / "eval.json").read_text())
    tables = [(r["checkpoint"], r["environment"]) for r in report["results"]]
    assert tables == [(c, e) for c in (str(trained), "tiny") for e in ("food_preparation", "cheese")]
    assert report["eval_after"]["greedy"]["episodes"] == 3  # the first result stands at the top
    assert {r["optimum"] for r in report["results"]} == {compose(["env=cheese"]).env.optimum}
    assert all(r["random"]["episodes"] == 3 for r in report["results"])
    rows = list(csv.DictReader((tmp_path / "eval.csv").read_text().splitlines()))
    assert [r["policy"] for r in rows].count("random") == 2  # once for every world
    assert len(rows) == 4 * 2 + 2
    assert (tmp_path / "eval.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(("argv", "said"), [([], "checkpoint=... is missing"), (["checkpoint=tiny", "episodes=0"], "episodes=0")])
def test_what_cannot_work_is_said(argv, said):
    with pytest.raises(ConfigError, match=said):
        evaluate._job(compose(argv, "eval"))
