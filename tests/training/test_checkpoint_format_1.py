"""Checkpoints of format 1, and the setting names of their time: continued today, they end in the bits of then.

`tests/data/format_1/README.md` says how the runs there were made.
"""

import hashlib
import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
from fingerprint import fingerprint
from safetensors.torch import load_file

import twosome
from tests.faults import forge
from twosome import checkpoint_folder
from twosome.config.compose import compose
from twosome.config.saved import saved_settings
from twosome.errors import CheckpointError, ConfigError
from twosome.training import checkpoint
from twosome.training.loop import train
from twosome.training.run_folder import Run, open_run
from twosome.training.state import TrainingState
from twosome.types import Decision

DATA = Path(__file__).parents[1] / "data" / "format_1"
DIGESTS = json.loads((DATA / "finished" / "digests.json").read_text(encoding="utf-8"))
COMMON = ["log.stop_at=null", "experiment=debug", "env=tomato_salad", "log.tensorboard=false", "log.keep_checkpoints=1"]
COMMON += ["log.probe_states=3", "log.probe_interval=2", "ppo.actor.epochs=2", "ppo.kl=actions"]
LM = ["model.lora.rank=1", "model.lora.alpha=2", "model.lora.dropout=0.1", "model.lora.targets=[q_proj]"]
LINEAR = "model.value_head.kind=linear"
EVERY_4 = ["total_steps=1024", "log.eval_interval=4", "log.checkpoint_interval=4", "log.decisions_per_update=1"]
COMMAND_LINES = {
    "twosome": [
        *(*COMMON, *LM, LINEAR, "seed=3", "num_envs=2", "ppo.actor.learning_rate=0.01", "ppo.actor.warmup_updates=1"),
        *("ppo.imitation.samples=16", "ppo.novelty=0.1"),
    ],
    "mlp": [
        *(*COMMON, *EVERY_4, LINEAR, "method=mlp", "seed=1", "baseline.widths=[8]"),
        *("ppo.novelty=0.1", "ppo.imitation.weight=1", "ppo.imitation.rollouts=3"),
    ],
    "tabular": [*COMMON, *EVERY_4, "method=tabular", "seed=2", "ppo.actor.epochs=1"],
}


@pytest.fixture
def stopped(tmp_path):
    """A copy of a run to continue."""
    return lambda name: Path(shutil.copytree(DATA / name, tmp_path / name))


def rounding() -> str:
    """A digest of how this CPU and this torch round: where it is another, the last bits of a run are others too."""
    x = torch.randn(2, 4, 48, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
    attended = torch.nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True).flatten(2)
    y = attended @ torch.ones(1536, 64).tril()
    y = torch.nn.functional.layer_norm(torch.nn.functional.silu(y) + y.tanh(), (64,)).log_softmax(-1)
    (y.exp() * y).sum().backward()
    results = y, y.exp(), x.grad, x.grad.square().sum().sqrt()
    return hashlib.sha256(b"".join(t.detach().contiguous().numpy().tobytes() for t in results)).hexdigest()


def weights_of(run_dir):
    """The tensors of the newest checkpoint's policy, by file and name."""
    paths = sorted(checkpoint_folder.checkpoints(run_dir)[-1].rglob("*.safetensors"))
    pairs = [(p.stem, load_file(p)) for p in paths if p.stem != "training"]
    return {f"{stem}:{name}": tensor for stem, tensors in pairs for name, tensor in tensors.items()}


def assert_ended_as_then(run_dir, name):
    """The same weights and records: to the bit where the arithmetic is that of then, else closely."""
    expected, found = DIGESTS[name], fingerprint(run_dir)
    last = json.loads((run_dir / "metrics.jsonl").read_text().splitlines()[-1])
    assert {key: last[key] for key in expected["last"]} == pytest.approx(expected["last"], abs=1e-4)
    torch.testing.assert_close(
        weights_of(run_dir), load_file(DATA / "finished" / f"{name}.safetensors"), atol=1e-4, rtol=0
    )
    if rounding() == DIGESTS["rounding"]:
        assert found == {key: expected[key] for key in found}
    else:
        assert (found["tensors"], found["lines"]) == (expected["tensors"], expected["lines"])


def ways(name, run_dir):
    older, newest = checkpoint_folder.checkpoints(run_dir)
    return {
        "command line": [*COMMAND_LINES[name], f"run_dir={run_dir}"],
        "folder": [f"resume={run_dir}"],
        "checkpoint": [f"resume={newest}"],
        "older checkpoint": [f"resume={older}"],
    }


@pytest.mark.parametrize(
    ("name", "how"),
    [
        *(("twosome", how) for how in ("command line", "older checkpoint")),
        *(pytest.param("twosome", how, marks=pytest.mark.slow) for how in ("folder", "checkpoint")),
        *(("mlp", how) for how in ("command line", "folder")),
        *(("tabular", how) for how in ("command line", "checkpoint")),
    ],
)
def test_a_run_of_that_time_ends_as_it_did_then(stopped, name, how):
    run_dir = stopped(name)
    train(open_run(compose(ways(name, run_dir)[how])))
    assert_ended_as_then(run_dir, name)
    newest = checkpoint_folder.checkpoints(run_dir)[-1]
    assert checkpoint_folder.format_of(newest) == 2
    saved_settings(newest / "config.yaml")


LONG = [pytest.param(part, marks=pytest.mark.slow) for part in ("actor", "features", "self_imitation", "count_bonus")]


@pytest.mark.parametrize("lost", [*LONG, "random"])
def test_a_part_that_was_lost_would_show(stopped, monkeypatch, lost):
    """What the digests are worth: without any part of the state the run ends otherwise."""
    whole = checkpoint.state_of_format_1

    def without(*arguments):
        state = whole(*arguments)
        if lost == "features":
            state["policy"] |= {"states": [], "features": None}
        elif lost == "random":
            state["random"]["act"] = torch.Generator().manual_seed(1).get_state()
        else:
            empty = {"self_imitation": {"rollouts": []}, "count_bonus": {"counts": {}}}
            state["learner"][lost] = empty.get(lost, {})
        return state

    monkeypatch.setattr(checkpoint, "state_of_format_1", without)
    run_dir = stopped("twosome")
    train(open_run(compose([f"resume={run_dir}"])))
    assert fingerprint(run_dir)["lines_sha256"] != DIGESTS["twosome"]["lines_sha256"]
    if rounding() == DIGESTS["rounding"]:
        with pytest.raises(AssertionError):
            assert_ended_as_then(run_dir, "twosome")


def test_tracked_states_go_on_from_the_file_of_that_time(stopped):
    """Their file has another name now; what it held is kept."""
    run_dir = stopped("twosome")
    before = json.loads((run_dir / "probes.json").read_text())
    train(open_run(compose([f"resume={run_dir}"])))
    after = json.loads((run_dir / "tracked_states.json").read_text())
    assert after["decisions"] == before["decisions"]
    assert after["history"][: len(before["history"])] == before["history"]
    assert [entry["step"] for entry in after["history"]] == [0, *range(64, 513, 64)]


def old_names(caplog):
    return [record.getMessage() for record in caplog.records if "Old names" in record.getMessage()]


def test_old_names_are_read_with_one_warning_each_time(stopped, caplog):
    run_dir = stopped("twosome")
    with caplog.at_level(logging.WARNING):
        cfg = saved_settings(run_dir / "config.yaml")
    [said] = old_names(caplog)
    for change in ("ppo.imitation is now ppo.self_imitation", "log.probe_states is now log.tracked_states"):
        assert change in said
    assert str(run_dir / "config.yaml") in said
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        asked = compose([*COMMAND_LINES["twosome"], f"run_dir={run_dir}"])
    [said] = old_names(caplog)
    assert "ppo.novelty=0.1 is now ppo.count_bonus=0.1" in said
    cfg.run_dir = asked.run_dir
    assert asked == cfg
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        open_run(asked).close()
    assert len(old_names(caplog)) == 1
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        open_run(compose([f"resume={run_dir}"])).close()
    assert len(old_names(caplog)) == 1


def test_another_command_line_is_still_refused(stopped):
    run_dir = stopped("twosome")
    with pytest.raises(ConfigError, match=r"ppo\.count_bonus: 0\.1 -> 0\.2"):
        open_run(compose([*COMMAND_LINES["twosome"], f"run_dir={run_dir}", "ppo.novelty=0.2"]))


def test_a_policy_of_that_time_loads(stopped):
    run_dir = stopped("twosome")
    policy = twosome.load(run_dir)
    newest = checkpoint_folder.checkpoints(run_dir)[-1]
    saved = load_file(newest / "adapter" / "adapter_model.safetensors")
    own = {name: p for name, p in policy.lm.named_parameters() if p.requires_grad}
    assert len(own) == len(saved)
    assert all(torch.equal(own[name.replace(".weight", ".default.weight")], tensor) for name, tensor in saved.items())
    decisions = [
        Decision.plain(d["prompt"], tuple(d["menu"]))
        for d in json.loads((run_dir / "probes.json").read_text())["decisions"]
    ]
    assert all(row.exp().sum().item() == pytest.approx(1, abs=1e-5) for row in policy.log_probs(decisions))
    assert (policy.values([d.state for d in decisions]) != 0).all()
    assert torch.equal(twosome.load(newest).values(["Goal: x."]), policy.values(["Goal: x."]))


def test_the_first_of_them_lack_visit_counts_and_nothing_else_may_be_missing(stopped):
    """The exploration bonus came while format 1 was in use; a checkpoint without any other part is damaged."""
    run_dir = stopped("mlp")
    newest = checkpoint_folder.checkpoints(run_dir)[-1]
    state = TrainingState(Run(run_dir, None, saved_settings(newest / "config.yaml")))
    whole = json.loads((newest / "state.json").read_text())

    def read(saved):
        forge.rewrite(newest / "state.json", json.dumps(saved).encode())
        checkpoint.read(newest, state.policy, state.parts)

    read(whole)
    assert state.learner.count_bonus.counts == whole["run"]["novelty"]
    read(whole | {"run": {k: v for k, v in whole["run"].items() if k != "novelty"}})
    assert state.learner.updates == whole["counters"]["updates"] > 0
    assert not state.learner.count_bonus.counts
    with pytest.raises(CheckpointError, match="imitation"):
        read(whole | {"run": {k: v for k, v in whole["run"].items() if k != "imitation"}})
