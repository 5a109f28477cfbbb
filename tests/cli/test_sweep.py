"""Several runs end in a table that tells them apart, and leave nothing but themselves."""

import io

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
