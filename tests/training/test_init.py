"""`init=PATH`: a new run that begins with another's weights, and with nothing else of it."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.faults import forge, paragraph
from twosome import checkpoint_folder
from twosome.config.compose import compose
from twosome.config.saved import saved_settings
from twosome.errors import CheckpointError, ConfigError
from twosome.training.loop import train
from twosome.training.run_folder import Run, open_run
from twosome.training.state import TrainingState

FORMAT_1 = Path(__file__).parents[1] / "data" / "format_1" / "twosome"
COMMON = ["experiment=debug", "total_steps=128", "log.tensorboard=false", "log.eval_episodes_final=1"]
COMMON += ["log.checkpoint_interval=1", "ppo.actor.warmup_updates=0", "model.lora.rank=2", "log.keep_checkpoints=9"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """The folder of a run whose weights have moved."""
    folder = tmp_path_factory.mktemp("init") / "teacher"
    train(
        open_run(compose([*COMMON, "env=tomato_salad", "seed=1", "ppo.actor.learning_rate=0.01", f"run_dir={folder}"]))
    )
    return folder


def begun(tmp_path, *overrides):
    """A run as it is before its first step."""
    cfg = compose([*COMMON, "env=food_preparation", f"run_dir={tmp_path / 'new'}", *overrides])
    return TrainingState(Run(tmp_path / "new", None, cfg))


def weights(policy, folder):
    folder.mkdir()
    policy.save_weights(folder)
    return {p.name: load_file(p) for p in sorted(folder.rglob("*.safetensors"))}


def same(a, b):
    return a.keys() == b.keys() and all(
        a[name].keys() == b[name].keys() and all(torch.equal(a[name][k], b[name][k]) for k in a[name]) for name in a
    )


@pytest.mark.parametrize("source", ["run", "checkpoint", "format 1"])
def test_a_new_run_begins_with_the_weights_and_nothing_else(teacher, tmp_path, source):
    run_dir = FORMAT_1 if source == "format 1" else teacher
    newest = checkpoint_folder.checkpoints(run_dir)[-1]
    shape = ["model.lora.rank=1", "model.lora.alpha=2", "model.lora.targets=[q_proj]", "model.value_head.kind=linear"]
    overrides = shape if source == "format 1" else []
    state = begun(tmp_path, *overrides, f"init={newest if source == 'checkpoint' else run_dir}")
    fresh = begun(tmp_path, *overrides)
    saved = {p.name: load_file(p) for p in sorted(newest.rglob("*.safetensors")) if p.name != "training.safetensors"}
    found = weights(state.policy, tmp_path / "found")
    assert same(found, saved)
    assert not same(found, weights(fresh.policy, tmp_path / "fresh"))
    for name, part in state.parts.items():
        if name != "random":
            assert part.state_dict() == fresh.parts[name].state_dict()
    assert all(map(torch.equal, *(s.parts["random"].state_dict().values() for s in (state, fresh))))
    assert state.learner.state_dict()["actor"] == state.learner.state_dict()["critic"] == {}
    assert state.policy.state_dict()["states"] == []
    assert (state.progress.steps, state.learner.updates, state.progress.best) == (0, 0, None)
    assert len(state.learner.count_bonus.counts) == len(state.learner.self_imitation.rollouts) == 0


def test_it_is_what_the_run_is_evaluated_and_trained_with(teacher, tmp_path):
    """In the same world with the same seed: where the teacher ended is where the new run stands before its first
    step.
    """
    common = [*COMMON, "env=tomato_salad", "seed=1", "log.eval_episodes_final=2"]
    newest = checkpoint_folder.checkpoints(teacher)[-1]
    saved = compose([*common, f"run_dir={tmp_path / 'x'}", f"init={newest}"])
    train(open_run(saved))
    summary = json.loads((tmp_path / "x" / "summary.json").read_text())
    train(open_run(compose([*common, f"run_dir={tmp_path / 'y'}"])))
    without = json.loads((tmp_path / "y" / "summary.json").read_text())
    policy = begun(tmp_path, "env=tomato_salad", "seed=1", f"init={teacher}").evaluate(2)
    assert summary["eval_before"] == json.loads(json.dumps(policy)) != without["eval_before"]
    first, other = (
        load_file(checkpoint_folder.checkpoints(tmp_path / n)[0] / "adapter/adapter_model.safetensors") for n in "xy"
    )
    assert not any(torch.equal(first[name], other[name]) for name in first)


def test_a_stopped_run_goes_on_from_its_own_checkpoint(teacher, tmp_path):
    """The same command line, `init` included: the weights come from the run's checkpoint, and the bits are the same."""
    overrides = [*COMMON, "env=food_preparation", f"init={teacher}"]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(open_run(compose([*overrides, f"run_dir={whole}"])))
    shutil.copytree(whole, stopped)
    (stopped / "summary.json").unlink()
    shutil.rmtree(checkpoint_folder.checkpoints(stopped)[-1])
    train(open_run(compose([*overrides, f"run_dir={stopped}"])))
    ends = [checkpoint_folder.checkpoints(run)[-1] for run in (whole, stopped)]
    for path in sorted(ends[0].rglob("*.safetensors")):
        assert path.read_bytes() == (ends[1] / path.relative_to(ends[0])).read_bytes()
    assert saved_settings(stopped / "config.yaml").init == str(teacher)
    (stopped / "summary.json").unlink()
    with pytest.raises(ConfigError, match="init"):
        open_run(compose([*COMMON, "env=food_preparation", f"run_dir={stopped}"]))


def test_what_is_no_checkpoint_is_refused(teacher, tmp_path):
    empty = tmp_path / "empty"
    (empty / "checkpoints").mkdir(parents=True)
    for path in (tmp_path / "nowhere", tmp_path, teacher / "checkpoints", teacher / "config.yaml", empty):
        with pytest.raises(CheckpointError) as caught:
            begun(tmp_path, f"init={path}")
        assert paragraph(str(caught.value)) is None
        assert str(path) in str(caught.value)


def test_a_damaged_checkpoint_is_refused_and_a_run_gives_its_newest_whole_one(teacher, tmp_path):
    copied = Path(shutil.copytree(teacher, tmp_path / "copied"))
    good, newest = checkpoint_folder.checkpoints(copied)[-2:]
    path = newest / "value_head.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="damaged"):
        begun(tmp_path, f"init={newest}")
    state = begun(tmp_path, f"init={copied}")
    found = weights(state.policy, tmp_path / "found")["value_head.safetensors"]
    expected = load_file(good / "value_head.safetensors")
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model.lora.rank=3"], "adapter"),
        (["model.lora.targets=[q_proj]"], "adapter"),
        (["model.value_head.kind=linear"], "does not fit this model"),
        (["method=mlp"], "network.safetensors"),
        (["method=tabular"], "table.safetensors"),
    ],
)
def test_one_that_does_not_fit_is_refused(teacher, tmp_path, overrides, said):
    with pytest.raises(CheckpointError, match=said) as caught:
        begun(tmp_path, *overrides, f"init={teacher}")
    assert paragraph(str(caught.value)) is None


def test_one_with_numbers_that_are_not_finite_is_refused(teacher, tmp_path):
    copied = Path(shutil.copytree(checkpoint_folder.checkpoints(teacher)[-1], tmp_path / "step-00000128"))
    path = copied / "adapter" / "adapter_model.safetensors"
    tensors = load_file(path)
    next(iter(tensors.values())).view(-1)[0] = float("nan")
    save_file(tensors, path)
    forge.seal(copied)
    with pytest.raises(CheckpointError, match="not finite"):
        begun(tmp_path, f"init={copied}")


def test_to_begin_and_to_continue_contradict_each_other(teacher):
    with pytest.raises(ConfigError, match="resume and init contradict"):
        compose([f"resume={teacher}", f"init={teacher}"])


def test_it_works_without_a_language_model(finished, tmp_path):
    state = begun(tmp_path, "method=mlp", f"init={finished}")
    found = weights(state.policy, tmp_path / "found")
    newest = checkpoint_folder.checkpoints(finished)[-1]
    assert same(found, {name: load_file(newest / name) for name in found})
