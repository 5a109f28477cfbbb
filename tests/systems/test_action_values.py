"""`method=qhead` and `method=expected` as runs: they stop and go on in the same bits, and are loaded as they played."""

import io
import json
import re
import shutil

import pytest

import twosome
from twosome import checkpoint_folder
from twosome.cli import evaluate, inspect, play
from twosome.config.compose import compose
from twosome.rollout.evaluate import run_episodes
from twosome.systems.load import find
from twosome.training.loop import train
from twosome.training.run_folder import open_run

QUICK = [
    *("env=food_preparation", "num_envs=2", "rollout_steps=8", "total_steps=64", "log.tensorboard=false"),
    *("log.eval_interval=2", "log.eval_episodes=1", "log.eval_episodes_final=2", "log.checkpoint_interval=1"),
    *("log.keep_checkpoints=9", "q_head.critic.minibatch=8", "q_head.replay=40", "expected.states=16"),
    *("expected.actor.epochs=1", "expected.actor.warmup_updates=1", "policy.reuse_capacity=60"),
]


def run(folder, method):
    return train(open_run(compose([f"method={method}", *QUICK, f"run_dir={folder}"])))


@pytest.fixture(scope="module", params=["qhead", "expected"])
def finished(request, made_once):
    return made_once(request.param, lambda folder: run(folder, request.param)), request.param


def untimed(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if not k.startswith("speed/")} for line in lines]


def test_stopped_it_ends_in_the_same_bits(finished, tmp_path):
    """The caches are smaller than what is met, so that also what leaves them must be what it was."""
    whole, method = finished
    stopped = shutil.copytree(whole, tmp_path / "run")
    (stopped / "summary.json").unlink()
    *_, second, third, last = checkpoint_folder.checkpoints(stopped)
    for folder in (third, last):
        shutil.rmtree(folder)
    run(stopped, method)
    names = sorted(p.relative_to(last) for p in last.rglob("*.safetensors"))
    assert {"q_head.safetensors", "training.safetensors"} <= {str(n) for n in names}
    assert second.is_dir()
    assert all((whole / "checkpoints" / last.name / n).read_bytes() == (last / n).read_bytes() for n in names)
    assert untimed(stopped) == untimed(whole)


def test_it_plays_as_it_did_wherever_it_is_loaded(finished, capsys, monkeypatch):
    folder, method = finished
    summary = json.loads((folder / "summary.json").read_text())
    policy, settings = twosome.load(folder), find(folder).settings
    played = run_episodes(policy, settings.env, 2, greedy=False, seed=settings.seed)
    mean = sum(e.discounted_return for e in played) / 2
    assert mean == pytest.approx(summary["eval_after"]["sampled"]["return_mean"], abs=1e-9)
    inspect.main([f"checkpoint={folder}", "json=true"])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert len(told["action_values"]) == len(told["actions"])
    inspect.main([f"checkpoint={folder}"])
    assert ("chosen by Q" in (shown := capsys.readouterr().out)) == (method == "qhead"), shown
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
    play.main(["env=food_preparation", f"checkpoint={folder}"])
    shown = capsys.readouterr().out
    shares = [float(share) for share in re.findall(r"([\d.]+) %", shown)]
    assert sum(shares) == pytest.approx(100, abs=2)
    evaluate.main([f"checkpoint={folder}", "which=newest", "episodes=1", f"out={folder.parent / 'eval'}"])
    result = json.loads((folder.parent / "eval" / "eval.json").read_text())
    assert result["trained_on"].endswith("FoodPreparation-v0")
