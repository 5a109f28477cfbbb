"""The benches of learning and generalisation: what they run, that they go on where they were, and what their tables say."""

import doctest
import json
import subprocess
import sys
import time

import gymnasium
import numpy as np
import pytest
import twosome_envs  # noqa: F401  registers the ids

from twosome.cli import command as cli
from twosome.systems.baselines.frozen import Affordance
from twosome.bench import curves, generalization, learning, runs
from twosome.config.compose import compose
from twosome.errors import ConfigError

QUICK = ["seeds=1", "envs=[tomato_salad]", "baseline_budget=512", "episodes=4", "eval_every=256"]
QUICK += ['overrides=["log.eval_episodes=2","log.eval_episodes_final=2","log.tensorboard=false"]']


def learn(out, *overrides):
    return learning.bench(compose([*QUICK, f"out={out}", *overrides], "learning"))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("learning")
    return out, learn(out, "methods=[tabular,random]")


def test_every_run_is_an_ordinary_run_and_the_results_lie_beside_them(done):
    out, report = done
    assert (out / "tabular/tomato_salad/seed0/config.yaml").exists()
    assert json.loads((out / "learning.json").read_text()) == json.loads(json.dumps(report))
    assert "| tomato_salad | tabular |" in (out / "learning.md").read_text()
    assert (out / "learning.png").stat().st_size > 5000
    result = report["results"]["tomato_salad"]
    assert [step for step, _ in result["tabular"]["curves"][0]] == [256, 512]  # evaluated as often as asked
    assert not result["random"]["curves"]
    assert result["random"]["final_sampled"][0] < 0.3


def test_finished_runs_are_kept_and_missing_ones_done(done, capsys):
    out, _ = done
    kept = (out / "random/tomato_salad/seed0/summary.json").stat().st_mtime_ns
    learn(out, "methods=[tabular,random]", "seeds=2")
    assert "4 runs, 2 of them to do" in capsys.readouterr().out
    assert (out / "random/tomato_salad/seed0/summary.json").stat().st_mtime_ns == kept
    assert (out / "tabular/tomato_salad/seed1/summary.json").exists()


WRONG = ["methods=[random,tabulr]", "envs=[tomato_soup]", 'overrides=["ppo.clipp=1"]', "methods=[]", "envs=tomato_salad"]
WRONG += ["workers=0", "workers=two", "seeds=0", "seeds=1.5", "seeds=null", "episodes=0", "eval_every=0"]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_mistake_in_the_settings_costs_nothing(tmp_path, wrong):
    with pytest.raises(ConfigError):
        learn(tmp_path, wrong)
    assert not list(tmp_path.iterdir())


def test_results_of_other_settings_are_not_taken_for_these(done):
    out, _ = done
    with pytest.raises(ConfigError, match=r"baseline\.epsilon: 0\.2 -> 0\.3"):
        learn(out, "methods=[tabular]", 'overrides=["baseline.epsilon=0.3","log.eval_episodes=2"]')


def test_a_failed_run_is_named_the_others_go_on_and_the_command_says_so(tmp_path, capfd):
    (tmp_path / "tabular/tomato_salad").mkdir(parents=True)
    (tmp_path / "tabular/tomato_salad/seed0").write_text("in the way")
    report = learn(tmp_path, "methods=[tabular,random]")
    assert report["failed"] == ["tabular tomato_salad 0"]
    assert len(report["results"]["tomato_salad"]["random"]["final_greedy"]) == 1
    assert "tabular tomato_salad 0 failed" in capfd.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        runs.leave(report["failed"])
    assert stopped.value.code == 1


def test_an_unknown_optimum_and_odd_folders_are_no_hindrance(tmp_path):
    out = tmp_path / "a,b 'c'"
    cfg = compose([*QUICK, "methods=[tabular]", "envs=[salads]", "stop_at=null", "eval_every=4096"], "learning")
    cfg.out = str(out)  # a shell's and Hydra's own quoting aside
    result = learning.bench(cfg)["results"]["salads"]["tabular"]
    assert result["steps"] == [512]
    assert result["curves"] == [[]]  # no evaluation fell into so short a run
    assert "0 of 1 | > 512 | > 512" in (out / "learning.md").read_text()


def test_a_bench_that_is_told_to_stop_stops_its_runs_and_goes_on_later(tmp_path):
    words = [*QUICK[:2], "baseline_budget=200000", "methods=[tabular]", f"out={tmp_path}", "stop_at=null"]
    bench = subprocess.Popen([sys.executable, "-m", "twosome.bench", "learning", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    folder = tmp_path / "tabular/tomato_salad/seed0"
    while not list(folder.glob("checkpoints/step-*")):
        assert bench.poll() is None, bench.communicate()
        time.sleep(0.1)
    bench.terminate()
    out, err = bench.communicate(timeout=60)
    assert bench.returncode == 143
    assert b"Traceback" not in out + err
    assert not (folder / "summary.json").exists()
    assert b"Saved." in out


def test_published_settings_have_the_rates_of_their_family(tmp_path):
    cfg = compose(QUICK, "learning")
    kitchen, home = (learning.settings_of(cfg, "published", env, 0, tmp_path) for env in ("tomato_salad", "entertainment"))
    papers = [compose([f"experiment=paper_{env}"]) for env in ("tomato_salad", "entertainment")]
    for ours, paper in zip((kitchen, home), papers, strict=True):
        assert ours.ppo == paper.ppo
        assert ours.model == paper.model
        assert (ours.num_envs, ours.rollout_steps) == (paper.num_envs, paper.rollout_steps) == (4, 32)
    assert kitchen.ppo.actor.learning_rate != home.ppo.actor.learning_rate


def test_every_method_of_the_bench_has_settings(tmp_path):
    cfg = compose([], "learning")
    for method in cfg.methods:
        learning.settings_of(cfg, method, "tomato_salad", 0, tmp_path)
    plain, full = (learning.settings_of(cfg, m, "tomato_salad", 0, tmp_path).ppo for m in ("mlp", "mlp_full"))
    assert (plain.imitation.weight, plain.novelty) == (0, 0)
    assert (full.imitation.weight, full.novelty) == (compose([]).ppo.self_imitation.weight, compose([]).ppo.count_bonus)


# Figures -------------------------------------------------------------------------------------------------------------------


def of(steps, taken=(1000, 1000, 1000)):
    return {
        "optimum": 0.92, "steps": list(taken), "curves": [], "final_greedy": [0.9] * len(taken), "final_sampled": [0.9] * len(taken),
        "steps_to": {"0.95": list(steps), "0.99": list(steps)}, "seconds_to": {"0.95": [1.0], "0.99": [1.0]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "cells"),
    [
        ([300, 100, 200], "3 of 3 | 200 | 200 (100 to 300)"),
        ([100, None, 200], "2 of 3 | 200 | 200 (100 to > 1,000)"),
        ([None, None, 100], "1 of 3 | > 1,000 | > 1,000 (100 to > 1,000)"),  # a seed that fails counts, and as the worst
    ],
)
def test_a_seed_that_did_not_arrive_counts_as_more_than_it_took(steps, cells):
    assert f"| world | method | {cells} |" in curves.markdown({"world": {"method": of(steps)}}, 3)


def test_the_overview_has_a_line_a_method_and_a_column_an_environment():
    untrained = of([], ()) | {"final_sampled": [0.1, 0.2, 0.3]}
    table = curves.overview({"a": {"mlp": of([100, 300, None]), "random": untrained}, "b": {"mlp": of([None] * 3), "random": untrained}})
    assert "| mlp | 300 (2 of 3) | > 1,000 (0 of 3) |" in table
    assert "| random | 0.200 | 0.200 |" in table


def test_seeds_that_are_missing_are_named():
    assert "| 2 of 2 (3 not run) |" in curves.markdown({"world": {"method": of([100, 200], (100, 200))}}, 5)


def test_the_examples_in_the_docstrings_run():
    for module in (curves, generalization):
        found = doctest.testmod(module)
        assert found.attempted > 0
        assert found.failed == 0


def test_the_interval_holds_the_mean_and_narrows_with_agreement():
    low, high = curves.iqm_interval([0.1, 0.4, 0.5, 0.6, 0.9])
    assert low < curves.interquartile_mean([0.1, 0.4, 0.5, 0.6, 0.9]) < high
    assert curves.iqm_interval([0.5] * 5) == (0.5, 0.5)


# Generalisation --------------------------------------------------------------------------------------------------------------


def test_a_policy_is_tried_elsewhere_and_its_language_model_measured(tmp_path):
    settings = ["sources=[food_preparation]", "targets.food_preparation=[cheese]", "steps.food_preparation=64", "seeds=1", "episodes=2"]
    extra = 'overrides=["num_envs=4","rollout_steps=16","log.stop_at=null","log.eval_interval=0","log.eval_episodes_final=1","log.tensorboard=false"]'
    cfg = compose([*settings, f"out={tmp_path}", extra], "generalization")
    [run] = generalization.bench(cfg)["results"]["food_preparation"]
    summary = (tmp_path / "food_preparation/seed0/summary.json").stat().st_mtime_ns
    assert list(run["worlds"]) == ["food_preparation", "cheese"]
    assert all(run["worlds"][name][how]["episodes"] == 2 for name in run["worlds"] for how in ("greedy", "sampled"))
    assert run["retention"]["perplexity_before"] > 1
    assert "| food_preparation | cheese |" in (tmp_path / "generalization.md").read_text()
    cfg.targets.food_preparation = ["cheese", "pizza"]
    [again] = generalization.bench(cfg)["results"]["food_preparation"]  # another world: evaluated again, not trained again
    assert list(again["worlds"]) == ["food_preparation", "cheese", "pizza"]
    assert (tmp_path / "food_preparation/seed0/summary.json").stat().st_mtime_ns == summary
    cfg.steps.food_preparation = 128
    with pytest.raises(ConfigError, match="total_steps: 64 -> 128"):
        generalization.bench(cfg)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["sources=[pizza]"], "pizza"),
        (["sources=[]"], "one or more"),
        (["targets.food_preparation=[chese]"], "cheese"),
        (['overrides=["ppo.clipp=1"]'], r"ppo\.clip"),
        (["episodes=0"], "episodes=0"),
    ],
)
def test_a_mistake_is_found_before_anything_is_trained(tmp_path, wrong, said):
    with pytest.raises(ConfigError, match=said):
        generalization.bench(compose([f"out={tmp_path}", *wrong], "generalization"))
    assert not list(tmp_path.iterdir())


def test_shares_are_of_the_return_where_it_was_trained():
    def world(value):
        return {"optimum": 1.0, "greedy": {"return_mean": 1.0}, "sampled": {"return_mean": value, "success_rate": 1.0}}

    runs = [{"worlds": {"home": world(0.8), "away": world(0.4)}, "retention": {"perplexity_before": 2.0, "perplexity_after": 3.0, "kl": 0.1}}]
    table = generalization.markdown({"home": runs})
    assert "| home | away | 1.0000 | 0.4000 | 1.00 | 0.50 | 0.40 |" in table
    assert "| home | 1 | 2.000 | 3.000 | 0.100 |" in table


@pytest.mark.parametrize("name", ["learning", "generalization"])
def test_a_misspelt_setting_is_named(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.run(name, lambda cfg: None, ["seedz=3"])
    assert stopped.value.code == 2
    assert "seeds" in capsys.readouterr().err


# SayCan-style ----------------------------------------------------------------------------------------------------------------


def test_affordance_strikes_what_changes_nothing_and_nothing_else():
    env = Affordance(gymnasium.make("twosome/TomatoSalad-v0"))
    plain = gymnasium.make("twosome/TomatoSalad-v0")
    _, info = env.reset(seed=0)
    plain.reset(seed=0)
    for _ in range(6):
        here = plain.unwrapped.snapshot()
        for action in range(plain.action_space.n):
            plain.step(action)
            assert info["action_mask"][action] == (plain.unwrapped.snapshot().state != here.state)
            plain.unwrapped.restore(here)
        action = int(np.flatnonzero(info["action_mask"])[0])
        *_, info = env.step(action)
        plain.step(action)
