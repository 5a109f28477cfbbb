"""What a run leaves to read: sampled decisions, tracked states, TensorBoard's pages. Monitoring changes no number."""

import json
import math
import zlib

import gymnasium
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from twosome.agents import llm_policy
from twosome.cli.train import main
from twosome.files import read_lines
from twosome.monitoring import tensorboard
from twosome.monitoring.decision_log import FIELDS
from twosome.monitoring.tracked_states import TrackedStates
from twosome.types import Decision


def test_decisions_load_in_one_line_and_follow_their_schema(run_dir):
    pd = pytest.importorskip("pandas")
    table = pd.read_json(run_dir / "decisions.jsonl", lines=True)
    assert list(table.columns) == list(FIELDS)
    assert len(table) == 8 * 3
    assert table["step"].nunique() == 8
    assert set(table["step"]) <= {r["step"] for r in read_lines(run_dir / "metrics.jsonl")}
    for row in table.itertuples():
        assert row.menu[row.chosen] == row.action
        assert sum(map(math.exp, row.log_probs)) == pytest.approx(1, abs=1e-4)
        assert math.isfinite(row.value)
        assert math.isfinite(row.advantage)


def test_tracked_states_are_followed_from_the_start(run_dir):
    seen = json.loads((run_dir / "tracked_states.json").read_text())
    assert len(seen["decisions"]) == 4
    assert [e["step"] for e in seen["history"]] == [0, *range(128, 513, 128)]
    for entry in seen["history"]:
        for decision, probs in zip(seen["decisions"], entry["probs"], strict=True):
            assert len(probs) == len(decision["menu"])
            assert sum(probs) == pytest.approx(1, abs=1e-4)
    first, last = (np.concatenate(seen["history"][k]["probs"]) for k in (0, -1))
    assert np.abs(first - last).max() > 1e-3, "8 updates move the policy"


def test_the_last_record_is_what_the_trained_policy_does(run_dir, trained):
    seen = json.loads((run_dir / "tracked_states.json").read_text())
    decisions = [Decision.plain(d["prompt"], tuple(d["menu"])) for d in seen["decisions"]]
    for row, probs in zip(trained.log_probs(decisions), seen["history"][-1]["probs"], strict=True):
        np.testing.assert_allclose(row.exp().numpy(), probs, atol=1e-4)


def test_tensorboard_holds_pictures_texts_and_the_table_of_runs(run_dir):
    events = EventAccumulator(str(run_dir / "tensorboard"), size_guidance={"images": 0, "tensors": 0})
    events.Reload()
    tags = events.Tags()
    assert {"tracked_states/1", "tracked_states/4", "episode/greedy"} <= set(tags["images"])
    assert {"tracked_states/1/text_summary", "episode/greedy/text_summary"} <= set(tags["tensors"])
    assert {"final/greedy_return", "final/sampled_success", "return/mean"} <= set(tags["scalars"])
    assert len(events.Images("tracked_states/1")) == 5
    assert any(m.plugin_data.plugin_name == "hparams" for m in events.summary_metadata.values())


def test_monitoring_changes_no_number(run_dir, run_arguments, tmp_path):
    """The same run without any of it has the same metrics, bit for bit, and the same weights."""
    blind = tmp_path / "blind"
    nothing = ["log.decisions_per_update=0", "log.tracked_states=0", "log.tensorboard=false"]
    main([*run_arguments, f"run_dir={blind}", *nothing])
    assert not (blind / "decisions.jsonl").exists()
    assert not (blind / "tracked_states.json").exists()
    for seen, unseen in zip(*(read_lines(f / "metrics.jsonl") for f in (run_dir, blind)), strict=True):
        for key in (k for k in seen if not k.startswith(("speed/", "memory/"))):
            assert seen[key] == unseen[key] or (seen[key] is None and unseen[key] is None), key
    name = "checkpoints/step-00000512/adapter/adapter_model.safetensors"
    one, two = load_file(run_dir / name), load_file(blind / name)
    assert all(torch.equal(one[k], two[k]) for k in one)


class Tall(gymnasium.Env):
    """Draws itself 4 pixels wide and 9,000 high, or not at all: both after two decisions an episode."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    action_space, observation_space = gymnasium.spaces.Discrete(2), gymnasium.spaces.Dict({})

    def __init__(self, render_mode=None, how="tall"):
        self.render_mode, self.how = render_mode, how

    def reset(self, *, seed=None, options=None):
        self.now = 0
        return self._shown()

    def step(self, action):
        self.now += 1
        observation, info = self._shown()
        return observation, 1.0, self.now == 2, False, info

    def _shown(self):
        return {"scene": f"Minute {self.now}.", "goal": "Wait."}, {"actions": ("wait", "sleep")}

    def render(self):
        if self.how == "exit":
            raise SystemExit(3)
        return np.zeros((9000, 4, 3), np.uint8)


gymnasium.register("Tall-v0", Tall)


@pytest.mark.parametrize("how", ["tall", "exit", "sheet"])
def test_a_drawing_that_fails_costs_no_run(tmp_path, run_arguments, how, monkeypatch):
    if how == "sheet":
        monkeypatch.setattr(tensorboard, "contact_sheet", lambda recording: 1 / 0)
    folder = tmp_path / "run"
    own = ["env=own", "env.id=Tall-v0", f"env.kwargs={{how: {how}}}", "total_steps=128", "log.tensorboard=true"]
    main([*run_arguments, *own, f"run_dir={folder}"])
    assert json.loads((folder / "summary.json").read_text())["env_steps"] == 128


def test_a_decision_without_numbers_ends_no_run(tmp_path, run_arguments, monkeypatch):
    """The updates skip it (`max_bad_updates`); what only watches must not be stricter."""
    honest = llm_policy.finite_log_probs

    def sometimes(decision, log_probs):
        is_bad = zlib.crc32(decision.prompt.encode()) % 3 == 1
        return honest(decision, torch.full_like(log_probs, torch.nan) if is_bad else log_probs)

    monkeypatch.setattr(llm_policy, "finite_log_probs", sometimes)
    folder = tmp_path / "run"
    main([*run_arguments, "total_steps=256", "log.eval_interval=1", "ppo.max_bad_updates=99", f"run_dir={folder}"])
    assert (folder / "summary.json").exists()
    for name in ("decisions.jsonl", "tracked_states.json", "metrics.jsonl"):
        for line in (folder / name).read_text().splitlines() if "jsonl" in name else [(folder / name).read_text()]:
            json.loads(line, parse_constant=pytest.fail)
    rows = [p for r in read_lines(folder / "decisions.jsonl") for p in r["log_probs"]]
    seen = [
        p for e in json.loads((folder / "tracked_states.json").read_text())["history"] for r in e["probs"] for p in r
    ]
    assert None in rows + seen
    assert any(p is not None for p in rows)


def test_states_lost_before_a_resume_begin_where_the_run_is(uniform, rollout_of, tmp_path):
    tracked = TrackedStates(tmp_path / "tracked_states.json", 2, resume_step=640)
    tracked.choose(rollout_of(), uniform)
    assert tracked.history[0]["step"] == 640
