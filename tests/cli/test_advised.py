"""`memory=PATH` of the commands: a memory of another run, or of a file, advises whatever policy is looked at."""

import csv
import json
import shutil

import pytest

from twosome import files
from twosome.checkpoint_folder import verify
from twosome.cli.evaluate import main as evaluate
from twosome.cli.inspect import main as inspect
from twosome.cli.memory import main as memory
from twosome.cli.play import main as play
from twosome.cli.train import main as train
from twosome.systems.checkpoints import checkpoint_of
from twosome.systems.remembered import find_memory

WORLD = "env=tomato_salad"


@pytest.fixture(scope="module")
def exported(memory_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "memory.sqlite"
    memory([str(memory_run), "export", str(path)])
    return path


def results(folder):
    return json.loads((folder / "eval.json").read_text())["results"]


def refused(capsys, command, *arguments):
    with pytest.raises(SystemExit) as stop:
        command([str(a) for a in arguments])
    error = capsys.readouterr().err
    assert stop.value.code in (1, 2)
    assert len(error.strip().splitlines()) == 1
    return error


def test_a_memory_of_another_run_advises_the_policy_that_is_evaluated(memory_run, exported, tmp_path, capsys):
    """The run itself and the file that was exported from it come to the same, and neither is changed."""
    before = exported.read_bytes()
    common = ["checkpoint=tiny", WORLD, "episodes=8"]
    evaluate([*common, f"out={tmp_path / 'alone'}"])
    for name, source in (("run", memory_run), ("file", exported)):
        evaluate([*common, f"memory={source}", "which=newest", f"out={tmp_path / name}"])
    assert "Memory: " in capsys.readouterr().out
    [alone], [run], [file] = (results(tmp_path / name) for name in ("alone", "run", "file"))
    assert alone["memory"] is None
    assert run["sampled"] == file["sampled"]
    assert file["sampled"]["return_mean"] > alone["sampled"]["return_mean"] + 0.3
    for result, path in ((run, checkpoint_of(memory_run, "newest") / "memory.json"), (file, exported)):
        told = result["memory"]
        assert (told["path"], told["sha256"], told["use"]) == (str(path), files.digest(path), "bias")
        assert told["records"] == len(find_memory(str(path)).records)
        assert told["recall"]["hits"] > 0.9
    rows = list(csv.DictReader((tmp_path / "file" / "eval.csv").read_text().splitlines()))
    assert [bool(row["memory"]) for row in rows] == [True, True, False]
    assert exported.read_bytes() == before
    verify(checkpoint_of(memory_run, "newest"))


def test_a_run_with_a_memory_says_which_and_another_takes_its_place(memory_run, exported, tmp_path, capsys):
    copy = shutil.copytree(memory_run, tmp_path / "run")
    memory([str(copy), "forget", "goal=", "yes=true"])
    common = ["which=newest", "episodes=4"]
    evaluate([f"checkpoint={memory_run}", *common, f"out={tmp_path / 'own'}"])
    capsys.readouterr()
    evaluate([f"checkpoint={copy}", f"memory={exported}", *common, f"out={tmp_path / 'given'}"])
    assert "its own memory is set aside" in capsys.readouterr().out
    [own], [given] = results(tmp_path / "own"), results(tmp_path / "given")
    assert own["memory"]["path"].endswith("memory.json")
    assert own["sampled"] == given["sampled"]


def test_a_memory_that_is_never_asked_is_said(memory_run, tmp_path, capsys):
    common = ["checkpoint=tiny", f"memory={memory_run}", "episodes=1"]
    evaluate([*common, "env=cheese", f"out={tmp_path / 'a'}"])
    assert "Nothing was recalled" in (out := capsys.readouterr().out)
    assert "try memory.similarity=features" in out
    evaluate([*common, WORLD, "memory.use=none", f"out={tmp_path / 'b'}"])
    assert "memory.use=none asks for none" in capsys.readouterr().out
    [result] = results(tmp_path / "b")
    assert result["memory"]["use"] == "none"


def test_inspection_shows_what_was_recalled_and_how_it_moved_the_policy(memory_run, exported, run_dir, capsys):
    inspect([f"checkpoint={memory_run}"])
    out = capsys.readouterr().out
    for expected in ("1.000", "How that moved the policy", "log p without", "The adapter changes nothing"):
        assert expected in out
    assert "What the adapter changed" not in out
    inspect([f"checkpoint={memory_run}", "json=true"])
    told = json.loads(capsys.readouterr().out)
    assert told["memory"]["recalled"][0]["similarity"] == 1.0
    assert told["without_memory"]["probs"] != told["probs"]
    inspect([WORLD, f"memory={exported}", "memory.use=prompt", "json=true"])
    read = json.loads(capsys.readouterr().out)
    assert read["memory"]["advice"].startswith("Encouraged: ")
    assert read["prompt"].startswith(read["memory"]["advice"])
    inspect([f"checkpoint={run_dir}", f"memory={exported}"])
    out = capsys.readouterr().out
    assert "How that moved the policy" in out
    assert "What the adapter changed" in out


def test_a_person_sees_what_an_advised_policy_would_do(exported, capsys, monkeypatch):
    import io
    import sys

    shown = {}
    for name, arguments in {"alone": ["checkpoint=tiny"], "advised": [f"memory={exported}"]}.items():
        monkeypatch.setattr(sys, "stdin", io.StringIO("q\n"))
        play([WORLD, *arguments])
        shown[name] = capsys.readouterr().out
    assert "Memory: " in shown["advised"]
    assert "%" in shown["alone"]
    assert shown["alone"].count("%") == shown["advised"].count("%")
    assert shown["alone"].splitlines()[-8:] != shown["advised"].splitlines()[-8:]


def test_a_new_run_begins_with_a_memory(memory_run, exported, tmp_path, capsys):
    sizes = ["num_envs=4", "rollout_steps=32", "total_steps=512", "log.eval_interval=0", "log.tensorboard=false"]
    words = ["method=memory", WORLD, *sizes, "log.eval_episodes_final=4"]
    train([*words, f"memory.init={exported}", f"run_dir={tmp_path / 'on'}"])
    assert "It begins with " in capsys.readouterr().out
    summary = json.loads((tmp_path / "on" / "summary.json").read_text())
    assert summary["eval_before"]["sampled"]["success_rate"] == 1.0
    known = {row[1]: row[2] for row in find_memory(str(exported)).records.state_dict()["records"]}
    now = {row[1]: row[2] for row in find_memory(str(tmp_path / "on")).records.state_dict()["records"]}
    assert sum(now.values()) > sum(known.values())
    assert all(now[scene] >= visits for scene, visits in known.items())
    last = (tmp_path / "on" / "metrics.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["recall/hits"] > 0.9
    error = refused(capsys, train, *words, f"memory.init={exported}", "memory.capacity=3", f"run_dir={tmp_path / 'no'}")
    assert "more than memory.capacity=3" in error
    assert not (tmp_path / "no").exists()


def test_what_is_logged_of_the_memory_is_the_same_after_a_stop(memory_run, tmp_path):
    """Only decisions of the rollout are counted, not those that are asked anew when a run goes on."""
    copy = shutil.copytree(memory_run, tmp_path / "run")
    first, *_ = sorted((copy / "checkpoints").iterdir())
    (copy / "summary.json").unlink()
    train([f"resume={first}"])
    logged = []
    for folder in (memory_run, copy):
        records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        logged.append([{k: v for k, v in r.items() if k == "step" or k.startswith("recall/")} for r in records])
    assert logged[0] == logged[1]
    assert logged[0][0]["recall/hits"] == 0, "nothing is known before an episode has ended"
    assert 0.5 < logged[0][-1]["recall/hits"] <= 1
    assert logged[0][-1]["recall/hits"] == logged[0][-1]["recall/met"], "exact: it is the state itself, or nothing"
    assert logged[0][-1]["recall/start_value"] > 0


@pytest.mark.parametrize(
    ("command", "arguments", "expected"),
    [
        (evaluate, ["checkpoint=tiny", WORLD, "memory=/there/is/none"], "found nothing of that name"),
        (evaluate, ["checkpoint=tiny", WORLD, "memory.tau=0.1"], "memory.tau=0.1 does nothing here"),
        (evaluate, ["checkpoint=tiny", WORLD, "memory=FILE", "memory.taw=0.1"], "Did you mean 'memory.tau'"),
        (evaluate, ["checkpoint=tiny", WORLD, "memory=FILE", "memory.tau=0"], "memory.tau=0.0 cannot work"),
        (evaluate, ["checkpoint=tiny", WORLD, "memory.init=FILE"], "Here it is memory=PATH"),
        (evaluate, ["checkpoint=RUN", "memory=RUN"], "holds no memory: expected memory.json"),
        (inspect, ["checkpoint=RUN", "memory.k=3"], "is of method=twosome, which has no memory"),
        (inspect, [WORLD, "memory.k=3"], "memory.k does nothing here"),
        (play, [WORLD, "memory.k=3"], "memory.k does nothing here"),
        (train, [WORLD, "memory.k=3"], "memory.k does nothing here"),
        (train, [WORLD, "memory.init=FILE"], "Add method=memory"),
        (train, ["method=memory", WORLD, "memory.init=/there/is/none"], "found nothing of that name"),
    ],
)
def test_what_cannot_be_is_one_paragraph(command, arguments, expected, exported, run_dir, capsys):
    filled = [a.replace("FILE", str(exported)).replace("RUN", str(run_dir)) for a in arguments]
    assert expected in refused(capsys, command, *filled)


def test_a_policy_of_numbers_takes_no_advice(exported, tmp_path, capsys):
    sizes = ["total_steps=128", "log.eval_interval=0", "log.eval_episodes_final=1", "log.tensorboard=false"]
    train(["experiment=debug", "method=tabular", WORLD, *sizes, f"run_dir={tmp_path / 'table'}"])
    error = refused(capsys, evaluate, f"checkpoint={tmp_path / 'table'}", f"memory={exported}")
    assert "reads numbers. Leave memory out." in error
