"""Several runs end in a table that tells them apart, and leave nothing but themselves."""

import importlib.util
import io
import json
import subprocess
import sys

import pytest
import yaml
from rich.console import Console

from twosome.cli import sweep
from twosome.cli.train import main

QUICK = ["experiment=debug", "total_steps=64", "log.eval_episodes_final=1", "log.tensorboard=false", "method=mlp"]


def summary(greedy: float) -> dict:
    e = {"return_mean": greedy, "success_rate": 0.5}
    return {"eval_after": {"greedy": e, "sampled": e}, "env_steps": 3840, "wall_seconds": 25.2}


def drawn(results) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(sweep.table(results))
    return out.getvalue()


def test_a_run_is_named_by_what_it_does_not_share():
    text = drawn([(["seed=1", "model=tiny", "env=a"], summary(0.9)), (["seed=2", "model=tiny", "env=a"], summary(0.8))])
    assert "seed=1 " in text
    assert "model=tiny" not in text
    assert "0.9000" in text
    assert "3,840" in text
    assert max(map(len, text.splitlines())) <= 80


def test_one_run_has_no_table(capsys):
    sweep.show([(["seed=1"], summary(0.9))])
    sweep.show([(["seed=1"], None), (["seed=2"], None)])  # plans
    assert capsys.readouterr().out == ""


def test_a_sweep_ends_in_its_table_and_leaves_no_stray_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["-m", "seed=1,2", *QUICK])
    last = capsys.readouterr().out.rpartition("2 runs, after training")[2]
    assert last.index("seed=1") < last.index("seed=2")
    assert [p.name for p in tmp_path.iterdir()] == ["outputs"]
    assert [p.name for p in (tmp_path / "outputs").iterdir()] == ["debug"]


def test_a_file_of_hydras_that_was_there_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "multirun.yaml").write_text("mine: 1\n")
    main(["-m", "seed=1", *QUICK])
    assert (tmp_path / "outputs" / "multirun.yaml").read_text() == "mine: 1\n"


def greedy_returns(folder) -> list[float]:
    """Of all runs below a folder, the greedy return after training."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("outputs/debug/*/summary.json"))]
    return [summary["eval_after"]["greedy"]["return_mean"] for summary in found]


def test_a_sweeper_is_given_the_greedy_return_after_training(tmp_path, monkeypatch):
    from hydra._internal.core_plugins.basic_launcher import BasicLauncher

    given, launch = [], BasicLauncher.launch

    def watched(self, *arguments, **named):
        done = launch(self, *arguments, **named)
        given.extend(one.return_value for one in done)
        return done

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(BasicLauncher, "launch", watched)
    main(["-m", "seed=1,2", *QUICK])
    assert given == greedy_returns(tmp_path)
    assert len(given) == 2


# Plugins of Hydra -----------------------------------------------------------------------------------------------------


def swept(plugin, folder, *words):
    """Run a sweep that needs a plugin."""
    if importlib.util.find_spec("hydra_plugins") is None or importlib.util.find_spec(f"hydra_plugins.{plugin}") is None:
        pytest.skip(f'{plugin} is not installed: pip install "twosome[sweep]"')
    command = [sys.executable, "-m", "twosome.cli.train", "-m", *words, *QUICK]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plugin", "launcher"),
    [("hydra_joblib_launcher", "joblib"), ("hydra_submitit_launcher", "submitit_local")],
    ids=["joblib", "submitit"],
)
def test_launchers_of_hydra_make_every_run(plugin, launcher, tmp_path):
    swept(plugin, tmp_path, f"hydra/launcher={launcher}", "seed=0,1")
    runs = sorted((tmp_path / "outputs" / "debug").iterdir())
    assert [run.name[-6:] for run in runs] == ["_seed0", "_seed1"]
    assert len(greedy_returns(tmp_path)) == 2


@pytest.mark.slow
def test_optuna_finds_the_best_of_the_runs_that_it_made(tmp_path):
    how = ("hydra.sweeper.direction=maximize", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=1")
    swept("hydra_optuna_sweeper", tmp_path, "hydra/sweeper=optuna", *how, "ppo.actor.learning_rate=interval(0.001,0.1)")
    [found] = tmp_path.rglob("optimization_results.yaml")
    returns = greedy_returns(tmp_path)
    assert len(returns) == 3
    assert yaml.safe_load(found.read_text())["best_value"] == max(returns)
