"""What a run leaves to read: sampled decisions, probe states, TensorBoard's pages. Looking changes nothing."""

import json
import math

import numpy as np
import pytest
import torch

from twosome.monitoring import tensorboard as boards
from twosome.training import metrics
from twosome.monitoring.decision_log import FIELDS, DecisionLog
from twosome.monitoring.tracked_states import Probes
from twosome.types import Decision, Rollout


def test_decisions_load_in_one_line_and_follow_their_schema(run_dir):
    pd = pytest.importorskip("pandas")
    table = pd.read_json(run_dir / "decisions.jsonl", lines=True)
    assert list(table.columns) == list(FIELDS)
    assert len(table) == 16 * 3
    assert table["step"].nunique() == 16
    assert set(table["step"]) <= {r["step"] for r in metrics.read(run_dir / "metrics.jsonl")}
    for row in table.itertuples():
        assert row.menu[row.chosen] == row.action
        assert sum(map(math.exp, row.log_probs)) == pytest.approx(1, abs=1e-4)
        assert math.isfinite(row.value)
        assert math.isfinite(row.advantage)


def test_probe_states_are_followed_from_the_start(run_dir):
    seen = json.loads((run_dir / "tracked_states.json").read_text())
    assert len(seen["decisions"]) == 4
    assert [e["step"] for e in seen["history"]] == [0, *range(128, 1025, 128)]
    for entry in seen["history"]:
        for decision, probs in zip(seen["decisions"], entry["probs"], strict=True):
            assert len(probs) == len(decision["menu"])
            assert sum(probs) == pytest.approx(1, abs=1e-4)
    first, last = (np.concatenate(seen["history"][k]["probs"]) for k in (0, -1))
    assert np.abs(first - last).max() > 1e-3, "16 updates move the policy"


def test_the_last_look_is_what_the_trained_policy_does(run_dir, trained):
    seen = json.loads((run_dir / "tracked_states.json").read_text())
    decisions = [Decision.plain(d["prompt"], tuple(d["menu"])) for d in seen["decisions"]]
    for row, probs in zip(trained.log_probs(decisions), seen["history"][-1]["probs"], strict=True):
        np.testing.assert_allclose(row.exp().numpy(), probs, atol=1e-4)


def test_tensorboard_holds_pictures_texts_and_the_table_of_runs(run_dir):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run_dir / "tensorboard"), size_guidance={"images": 0, "tensors": 0})
    events.Reload()
    tags = events.Tags()
    assert {"probe_states/1", "probe_states/4", "episode/greedy"} <= set(tags["images"])
    assert {"probe_states/1/text_summary", "episode/greedy/text_summary"} <= set(tags["tensors"])
    assert {"final/greedy_return", "final/sampled_success", "return/mean"} <= set(tags["scalars"])
    assert len(events.Images("probe_states/1")) == 9
    plugins = events.summary_metadata
    assert any(m.plugin_data.plugin_name == "hparams" for m in plugins.values())


def test_looking_changes_no_number(run_dir, run_arguments, tmp_path):
    """The same run without any of it has the same metrics, bit for bit, and the same weights."""
    from safetensors.torch import load_file

    from twosome.training.loop import main

    blind = tmp_path / "blind"
    main([*run_arguments, f"run_dir={blind}", "log.decisions_per_update=0", "log.tracked_states=0", "log.tensorboard=false"])
    assert not (blind / "decisions.jsonl").exists()
    assert not (blind / "tracked_states.json").exists()
    for seen, unseen in zip(*(metrics.read(f / "metrics.jsonl") for f in (run_dir, blind)), strict=True):
        for key in (k for k in seen if not k.startswith(("speed/", "memory/"))):
            assert seen[key] == unseen[key] or (seen[key] is None and unseen[key] is None), key
    name = "checkpoints/step-00001024/adapter/adapter_model.safetensors"
    one, two = load_file(run_dir / name), load_file(blind / name)
    assert all(torch.equal(one[k], two[k]) for k in one)


# Bounds and resuming -----------------------------------------------------------------------------------------


class Uniform:
    def log_probs(self, decisions):
        return [torch.full((len(d.menu),), -math.log(len(d.menu))) for d in decisions]

    def values(self, prompts):
        return torch.zeros(len(prompts))


def rollout(T=6, B=3, spoilt=()) -> Rollout:
    real = torch.ones(T, B, dtype=torch.bool)
    for place in spoilt:
        real[place] = False
    flags = torch.zeros(T, B, dtype=torch.bool)
    decisions = [[Decision.plain(f"state {t} {b}", ("left", "right")) for b in range(B)] for t in range(T)]
    return Rollout(
        decisions=decisions,
        next_states=[["" for _ in range(B)] for _ in range(T)],
        actions=torch.ones(T, B, dtype=torch.long),
        log_probs=torch.zeros(T, B),
        rewards=torch.arange(T * B, dtype=torch.float32).view(T, B),
        discounts=torch.ones(T, B),
        terminated=flags,
        truncated=flags.clone(),
        is_real=real,
        episodes=[],
    )


class Values:
    """Stands for an update's batch: the real samples in a row, value = reward, advantage = -reward."""

    def __init__(self, rollout):
        self.values = rollout.rewards.flatten()[rollout.is_real.flatten()]
        self.advantages = -self.values


def test_spoilt_steps_are_left_out_and_values_stay_with_their_decisions(tmp_path):
    r = rollout(spoilt=[(0, 0), (2, 1), (5, 2)])
    log = DecisionLog(tmp_path / "d.jsonl", per_update=100, most=1000, updates=1, seed=0)
    log.pick(r, Uniform(), 0)
    log.write(18, Values(r))
    records = metrics.read(tmp_path / "d.jsonl")
    assert len(records) == 15
    for x in records:
        assert x["value"] == x["reward"] == -x["advantage"]
        t, b = map(int, x["prompt"].split()[1:])
        assert x["reward"] == 3 * t + b
        assert b == x["world"]


def test_a_long_run_stays_below_its_bound(tmp_path):
    log = DecisionLog(tmp_path / "d.jsonl", per_update=4, most=50, updates=1000, seed=0)
    for update in range(1000):
        log.pick(rollout(), Uniform(), update)
        log.write(update + 1, None)
    records = metrics.read(tmp_path / "d.jsonl")
    assert 40 <= len(records) <= 50
    assert records[-1]["step"] > 900, "spread over the whole run"
    assert records[0]["value"] is None


def test_a_resumed_log_is_the_same_as_an_unbroken_one(tmp_path):
    def write(path, start, stop, resume_step=0):
        log = DecisionLog(path, 4, 5000, 10, seed=3, resume_step=resume_step)
        for update in range(start, stop):
            log.pick(rollout(), Uniform(), update)
            log.write(update + 1, None)

    write(tmp_path / "whole.jsonl", 0, 10)
    write(tmp_path / "broken.jsonl", 0, 7)
    write(tmp_path / "broken.jsonl", 4, 10, resume_step=4)
    assert (tmp_path / "whole.jsonl").read_text() == (tmp_path / "broken.jsonl").read_text()


def test_resumed_probes_keep_their_states_and_forget_what_comes_after(tmp_path):
    probes = Probes(tmp_path / "p.json", 3)
    probes.choose(rollout(), Uniform())
    assert probes.complete(None)
    assert not probes.complete(None)
    for step in (10, 20):
        probes.look(step, Uniform())
    again = Probes(tmp_path / "p.json", 3, resume_step=10)
    assert again.decisions == probes.decisions
    assert [e["step"] for e in again.history] == [0, 10]


def test_pictures_are_drawn_for_any_phrase():
    history = np.random.default_rng(0).dirichlet(np.ones(3), size=40)
    menu = ("a", "a very long phrase " * 8, "büyük 🙂")
    picture = boards.history_picture("Goal: x.\nScene: " + "word " * 60, menu, history, 12_345)
    assert picture.dtype == np.uint8
    assert picture.shape[1:] == (boards.WIDTH, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 3
