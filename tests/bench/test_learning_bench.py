"""The bench of learning: what it runs, that it continues where it was, and that a mistake costs nothing."""

import json
import subprocess
import sys
import time

import pytest

from twosome.bench import learning, runs
from twosome.config.compose import compose, compose_command
from twosome.errors import ConfigError

QUICK = ["seeds=1", "envs=[tomato_salad]", "baseline_budget=512", "episodes=4", "eval_every=256"]
QUICK += ['overrides=["log.eval_episodes=2","log.eval_episodes_final=2","log.tensorboard=false"]']


def learn(out, *overrides):
    return learning.bench(compose_command([*QUICK, f"out={out}", *overrides], "learning"))


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


WRONG = [
    "methods=[random,tabulr]",
    "envs=[tomato_soup]",
    'overrides=["ppo.clipp=1"]',
    "methods=[]",
    "envs=tomato_salad",
]
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


def test_the_language_model_is_tried_without_training(tmp_path):
    results = learn(tmp_path, "methods=[frozen,saycan]", "episodes=1")["results"]["tomato_salad"]
    assert all(-1 < results[method]["final_sampled"][0] < 1 for method in ("frozen", "saycan"))
    assert (tmp_path / "saycan/tomato_salad/seed0/summary.json").exists()


def test_an_unknown_optimum_and_odd_folders_are_no_hindrance(tmp_path):
    out = tmp_path / "a,b 'c'"
    changes = ["methods=[tabular]", "envs=[salads]", "stop_at=null", "eval_every=4096"]
    cfg = compose_command([*QUICK, *changes], "learning")
    cfg.out = str(out)  # a shell's and Hydra's own quoting aside
    result = learning.bench(cfg)["results"]["salads"]["tabular"]
    assert result["steps"] == [512]
    assert result["curves"] == [[]]  # no evaluation fell into so short a run
    assert "0 of 1 | > 512 | > 512" in (out / "learning.md").read_text()


def test_a_bench_that_is_told_to_stop_stops_its_runs_which_save(tmp_path):
    words = [*QUICK[:2], "baseline_budget=200000", "methods=[tabular]", f"out={tmp_path}", "stop_at=null"]
    command = [sys.executable, "-m", "twosome.bench", "learning", *words]
    bench = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
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
    cfg, envs = compose_command(QUICK, "learning"), ("tomato_salad", "entertainment")
    kitchen, home = (learning.settings_of(cfg, "published", env, 0, tmp_path) for env in envs)
    papers = [compose([f"experiment=paper_{env}"]) for env in envs]
    for ours, paper in zip((kitchen, home), papers, strict=True):
        assert ours.ppo == paper.ppo
        assert ours.model == paper.model
        assert (ours.num_envs, ours.rollout_steps) == (paper.num_envs, paper.rollout_steps) == (4, 32)
    assert kitchen.ppo.actor.learning_rate != home.ppo.actor.learning_rate


def test_every_method_of_the_bench_has_settings(tmp_path):
    cfg = compose_command([], "learning")
    for method in cfg.methods:
        learning.settings_of(cfg, method, "tomato_salad", 0, tmp_path)
    plain, full = (learning.settings_of(cfg, m, "tomato_salad", 0, tmp_path).ppo for m in ("mlp", "mlp_full"))
    ours = compose([]).ppo
    assert (plain.self_imitation.weight, plain.count_bonus) == (0, 0)
    assert (full.self_imitation.weight, full.count_bonus) == (ours.self_imitation.weight, ours.count_bonus)
    assert full.count_bonus > 0


@pytest.mark.parametrize("name", ["learning", "generalization"])
def test_where_nothing_was_run_the_shipped_results_are_shown(name, tmp_path, monkeypatch, capsys):
    from twosome.bench.__main__ import main

    monkeypatch.chdir(tmp_path)
    main([name, "run=false"])
    said = capsys.readouterr().out
    assert "These are the shipped results" in said
    assert "| entertainment |" in said
    assert list(tmp_path.iterdir()) == []
