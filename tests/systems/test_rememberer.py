"""`method=memory`: a frozen model gets better by what it remembers, stops and goes on, and takes its memory along."""

import dataclasses
import json
import shutil

import pytest
import torch

import twosome
from twosome.config.compose import compose
from twosome.errors import CheckpointError
from twosome.rollout.evaluate import run_episodes
from twosome.systems.load import find
from twosome.training.loop import train
from twosome.training.run_folder import open_run

QUICK = ["method=memory", "memory.use=bias", "env=tomato_salad", "log.tensorboard=false", "log.eval_episodes_final=5"]


def run(folder, *overrides):
    return train(open_run(compose([*QUICK, f"run_dir={folder}", "num_envs=4", "rollout_steps=32", *overrides])))


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory") / "run"
    summary = run(folder, "total_steps=2048", "log.eval_interval=4", "log.eval_episodes=1", "log.checkpoint_interval=4")
    return folder, summary


def test_a_frozen_model_gets_better_by_what_it_remembers(learnt):
    folder, summary = learnt
    before, after = (summary[key]["sampled"]["return_mean"] for key in ("eval_before", "eval_after"))
    assert after > before + 0.4
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert records[-1]["recall/records"] >= 10
    assert records[-1]["recall/actions"] > records[-1]["recall/records"]
    frozen = twosome.load("tiny").lm.state_dict()
    now = twosome.load(folder).lm.state_dict()
    assert all(torch.equal(frozen[name], now[name]) for name in frozen if "lora_A" not in name)
    assert all(not now[name].any() for name in now if "lora_B" in name)


def test_a_policy_brings_its_memory_wherever_it_is_loaded(learnt):
    folder, summary = learnt
    policy = twosome.load(folder)
    settings = find(folder).settings
    [episode] = run_episodes(policy, settings.env, 1, greedy=True, seed=0)
    assert episode.discounted_return == pytest.approx(summary["eval_after"]["greedy"]["return_mean"], abs=1e-9)
    policy.remind(None)
    policy.clear_cache()
    played = run_episodes(policy, settings.env, 30, greedy=False, seed=0)
    alone = sum(e.discounted_return for e in played) / 30
    assert alone < summary["eval_after"]["sampled"]["return_mean"] - 0.3


def test_stopped_at_any_update_it_ends_in_the_same_bits(learnt, tmp_path):
    """Episodes under way when it stops are learnt whole; pending decisions are recalled anew after every update."""
    folder, _ = learnt
    for checkpoint in sorted((folder / "checkpoints").glob("step-*"))[:-1]:
        copy = shutil.copytree(folder, tmp_path / checkpoint.name)
        again = copy / "checkpoints" / checkpoint.name
        (copy / "summary.json").unlink()
        train(open_run(compose([f"resume={again}"])))
        for name in ("memory.json", "state.json"):
            last = f"checkpoints/step-00002048/{name}"
            mine, theirs = (json.loads((place / last).read_text()) for place in (copy, folder))
            for parts in (mine, theirs):
                parts.get("progress", {}).pop("wall_seconds", None)
            assert mine == theirs, name


def test_without_the_memory_of_a_checkpoint_it_is_refused(learnt, tmp_path):
    folder = shutil.copytree(learnt[0], tmp_path / "run")
    newest = max((folder / "checkpoints").glob("step-*"))
    from tests.faults.forge import seal

    (newest / "memory.json").write_text(json.dumps({"records": [["goal", 3, 1, []]], "begins": {}}))
    seal(newest)
    with pytest.raises(CheckpointError, match=r"memory\.json holds no memory"):
        twosome.load(newest)


def test_an_episode_that_a_fault_spoils_teaches_nothing():
    from twosome.memory.learner import MemoryLearner
    from twosome.memory.records import Records
    from twosome.types import Decision, Rollout, Situation

    records = Records(dataclasses.replace(compose([]).memory, bonus=0.0))
    learner = MemoryLearner(records, 1)
    decisions = [[Decision.plain(f"s{t}", ("on",))] for t in range(4)]
    flags = {name: torch.zeros(4, 1, dtype=torch.bool) for name in ("terminated", "truncated")}
    is_real = torch.ones(4, 1, dtype=torch.bool)
    is_real[1] = False
    flags["truncated"][1] = flags["terminated"][3] = True
    told = [[Situation("goal", f"s{t}")] for t in range(5)]
    learner.update(
        Rollout(
            decisions,
            [["next"]] * 4,
            [[torch.zeros(1)]] * 4,
            torch.zeros(4, 1, dtype=torch.long),
            torch.zeros(4, 1),
            torch.ones(4, 1),
            torch.ones(4, 1),
            **flags,
            is_real=is_real,
            episodes=[],
            situations=told[:4],
            next_situations=told[1:],
        ),
        0.0,
    )
    assert records.situations() == (Situation("goal", "s2"), Situation("goal", "s3"))


def test_ppo_with_a_memory_beside_it_moves_both_and_stops_and_goes_on(tmp_path):
    folder = tmp_path / "run"
    how = ["method=memory_ppo", "ppo.actor.warmup_updates=0", "log.eval_interval=0"]
    run(folder, *how, "total_steps=512", "log.checkpoint_interval=2", "log.keep_checkpoints=9")
    last = folder / "checkpoints" / "step-00000512"
    assert json.loads((last / "memory.json").read_text())["records"]
    now = twosome.load(last).lm.state_dict()
    assert any(now[name].any() for name in now if "lora_B" in name), "its weights move"
    state = json.loads((last / "state.json").read_text())["learner"]
    assert state["memory"]["under_way"]
    assert state["ppo"]["updates"] == 4
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "summary.json").unlink()
    train(open_run(compose([f"resume={copy / 'checkpoints' / 'step-00000256'}"])))
    again = copy / "checkpoints" / "step-00000512"
    for name in ("memory.json", "state.json"):
        mine, theirs = (json.loads((place / name).read_text()) for place in (again, last))
        for parts in (mine, theirs):
            parts.get("progress", {}).pop("wall_seconds", None)
        assert mine == theirs, name
    before, after = (twosome.load(place).lm.state_dict() for place in (last, again))
    assert all(torch.equal(before[name], after[name]) for name in before)
