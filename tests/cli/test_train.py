"""`twosome-train`: the plan alone, or the run; a mistake or a fault leaves with its code."""

import json

import pytest

from twosome.cli.train import main

QUICK = ["experiment=debug", "total_steps=64", "log.eval_episodes_final=1", "log.tensorboard=false"]


@pytest.mark.parametrize(("method", "said"), [("twosome", "GiB"), ("tabular", "loads no language model")])
def test_a_plan_is_printed_and_nothing_is_made(method: str, said: str, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main([f"method={method}", "plan=true", "run_dir=run"])
    assert said in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_run_leaves_its_settings_and_its_summary_and_is_not_run_twice(tmp_path, capsys):
    folder = tmp_path / "run"
    main([*QUICK, "method=mlp", f"run_dir={folder}"])
    assert json.loads((folder / "summary.json").read_text())["env_steps"] == 64
    assert (folder / "config.yaml").is_file()
    with pytest.raises(SystemExit) as stop:
        main([*QUICK, "method=mlp", f"run_dir={folder}"])
    assert stop.value.code == 2
    assert "holds a finished run" in capsys.readouterr().err


def test_several_runs_each_have_their_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["-m", "seed=1,2", *QUICK, "method=mlp"])
    runs = sorted((tmp_path / "outputs/debug").iterdir())
    assert [run.name[-6:] for run in runs] == ["_seed1", "_seed2"]
    assert all((run / "summary.json").is_file() for run in runs)
