"""A run by several processes is the run of one, whoever began it and however it was stopped."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

import twosome
from tests.house import ROOT
from twosome import checkpoint_folder
from twosome.cli.evaluate import main as evaluate
from twosome.cli.train import main
from twosome.config.compose import compose
from twosome.errors import ConfigError
from twosome.training.start import start

TRAIN = ("-m", "twosome.cli.train")
LONG = 600  # seconds, on a busy machine


@pytest.fixture
def one_of_two(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")


def test_what_works_in_one_process_says_so(one_of_two, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        evaluate(["checkpoint=tiny", "env=tomato_salad"])
    assert stop.value.code == 2
    assert "twosome-eval works in one process" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"twosome\.train\(\) works in one process"):
        twosome.train(env="tomato_salad", run_dir=str(tmp_path / "run"))
    with pytest.raises(ConfigError, match="method=mlp has no language model whose work could be shared"):
        start(compose(["method=mlp", f"run_dir={tmp_path / 'run'}"]), ranks=object())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", ["1", "", "two"])
def test_one_process_of_a_launcher_is_one(monkeypatch, size):
    from twosome.training.launched import is_one_of_several

    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", size)
    assert not is_one_of_several()


def test_a_process_alone_loads_nothing_of_this():
    look = "import sys, twosome.cli.train, twosome.training.state as s; print('twosome.lm.ranks' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", look], cwd=ROOT, text=True) == "False\n"


# Whole runs ---------------------------------------------------------------------------------------------------------


TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node")
ACCELERATE = ("accelerate.commands.launch", "--multi_gpu", "--main_process_port=0", "--num_processes")


def several(arguments, n=2, launcher=TORCHRUN):
    """The command that runs a training in `n` processes."""
    return [sys.executable, "-m", *launcher, str(n), *TRAIN, *arguments]


def assert_same_run(folder, other):
    """The same decisions, and the same weights but for the order of sums."""
    last, same = (checkpoint_folder.checkpoints(f)[-1] for f in (folder, other))
    assert last.name == same.name
    for name in ("adapter/adapter_model.safetensors", "value_head.safetensors"):
        found, expected = load_file(last / name), load_file(same / name)
        assert found.keys() == expected.keys()
        for key, tensor in found.items():
            torch.testing.assert_close(tensor, expected[key], atol=1e-5, rtol=1e-5)
    keys = ("step", "world", "prompt", "menu", "action", "reward", "end")
    lines = ((f / "decisions.jsonl").read_text().splitlines() for f in (folder, other))
    found, expected = ([[json.loads(line)[k] for k in keys] for line in some] for some in lines)
    assert found == expected


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "n"), [(TORCHRUN, 3), (ACCELERATE, 2)], ids=["torchrun", "accelerate"])
def test_a_run_of_several_is_that_of_one_in_one_folder(launcher, n, run_dir, run_arguments, tmp_path):
    folder = tmp_path / "run"
    command = several([*run_arguments, f"run_dir={folder}"], n, launcher)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LONG)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Run folder:") == 2, "the first process alone speaks, at the beginning and at the end"
    assert_same_run(folder, run_dir)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert {p.name for p in folder.iterdir()} == {p.name for p in run_dir.iterdir()}


@pytest.mark.slow
def test_a_run_that_one_began_several_end(run_dir, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run_dir, folder)
    (folder / "summary.json").unlink()
    for late in checkpoint_folder.checkpoints(folder)[1:]:
        shutil.rmtree(late)
    subprocess.run(several([f"resume={folder}"]), cwd=tmp_path, check=True, timeout=LONG)
    assert_same_run(folder, run_dir)


def until_saved(folder, *processes):
    """Wait until a run that goes on has a checkpoint."""
    while not checkpoint_folder.checkpoints(folder):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.02)


@pytest.mark.slow
def test_one_that_is_killed_is_told_and_one_ends_what_several_began(run_dir, run_arguments, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    command = [sys.executable, *TRAIN, *run_arguments, "log.checkpoint_interval=1", f"run_dir={folder}"]
    first, other = (
        subprocess.Popen(command, env=place | {"RANK": str(rank)}, stderr=subprocess.PIPE, text=True) for rank in (0, 1)
    )
    until_saved(folder, first, other)
    other.kill()
    _, said = first.communicate(timeout=LONG)
    other.communicate()
    assert first.returncode == 1
    assert "RankError: Rank 1 of the 2 processes has died" in said
    assert f"twosome-train resume={folder}" in said
    assert "Traceback" not in said
    main([f"resume={folder}"])
    assert_same_run(folder, run_dir)


@pytest.mark.slow
def test_several_that_are_told_to_stop_save_and_several_go_on(run_dir, run_arguments, tmp_path):
    folder = tmp_path / "run"
    command = several([*run_arguments, "log.checkpoint_interval=1", f"run_dir={folder}"])
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    until_saved(folder, running)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=LONG)
    assert "Stopped by SIGTERM. Saved. Continue with" in said
    assert not (folder / "summary.json").exists()
    subprocess.run(several([f"resume={folder}"]), cwd=tmp_path, check=True, timeout=LONG)
    assert_same_run(folder, run_dir)
