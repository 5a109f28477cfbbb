"""A run's folder: new, continued, finished, held by another; and what a kill leaves in it."""

import json
import os
import shutil

import pytest
import torch

from twosome.training import checkpoint as files
from twosome import files
from twosome.config.compose import compose
from twosome.training.run_folder import open_run
from twosome.training.loop import train
from twosome.errors import CheckpointError, ConfigError

SMALL = [
    "method=mlp", "env=food_preparation", "experiment=debug", "log.eval_episodes=1", "log.eval_episodes_final=1", "log.checkpoint_interval=2",
    "log.keep_checkpoints=9", "log.tensorboard=false", "ppo.actor.warmup_updates=0",
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(open_run(compose([*SMALL, f"run_dir={folder}"])))
    return folder


@pytest.fixture
def unfinished(finished, tmp_path):
    """As if it had been killed before the summary was written."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    (folder / "summary.json").unlink()
    return folder


def same(folder, *overrides):
    return compose([*SMALL, f"run_dir={folder}", *overrides])


def test_a_finished_run_is_left_alone(finished):
    for overrides in ([*SMALL, f"run_dir={finished}"], [f"resume={finished}"]):
        with pytest.raises(ConfigError, match="holds a finished run"):
            open_run(compose(overrides))


def test_the_same_command_line_continues_and_another_lists_what_differs(unfinished):
    run = open_run(same(unfinished))
    assert run.checkpoint == files.checkpoints(unfinished)[-1]
    run.close()
    with pytest.raises(ConfigError, match=r"ppo\.clip: 0\.2 -> 0\.3; seed: 0 -> 4"):
        open_run(same(unfinished, "seed=4", "ppo.clip=0.3"))
    open_run(same(unfinished, "log.eval_interval=7", "model.threads=2")).close()  # these may differ


def test_a_folder_is_held_by_one_run(unfinished):
    run = open_run(same(unfinished))
    with pytest.raises(CheckpointError, match="in use by another run"):
        open_run(same(unfinished))
    run.close()
    open_run(same(unfinished)).close()


def test_resume_takes_the_saved_settings_and_refuses_others(unfinished):
    cfg = compose([f"resume={unfinished}", "log.eval_interval=7"])
    assert (cfg.method, cfg.total_steps, cfg.log.eval_interval) == ("mlp", 512, 7)
    run = open_run(cfg)
    assert run.folder == unfinished
    run.close()
    with pytest.raises(ConfigError, match=r"these differ: seed: 0 -> 5"):
        compose([f"resume={unfinished}", "seed=5"])
    assert compose([f"resume={unfinished}", "method=mlp", "experiment=debug"]).seed == 0  # agrees: harmless


def test_resuming_an_older_checkpoint_sets_the_later_ones_aside(unfinished):
    older, *later = files.checkpoints(unfinished)[-3:]
    run = open_run(compose([f"resume={older}"]))
    assert run.checkpoint == older
    assert files.checkpoints(unfinished)[-1] == older
    assert all((unfinished / "checkpoints" / f"aside-{p.name}").is_dir() for p in later)
    run.close()


def test_a_damaged_checkpoint_is_set_aside_and_said(unfinished, capsys):
    good, newest = files.checkpoints(unfinished)[-2:]
    (newest / "state.json").write_bytes((newest / "state.json").read_bytes()[:-1])
    run = open_run(same(unfinished))
    assert run.checkpoint == good
    said = capsys.readouterr().err
    assert "state.json is damaged" in said
    assert f"goes on from {good.name}" in said
    run.close()


@pytest.mark.parametrize("leftover", ["tmp folder", "tmp file", "replaced, its place empty", "replaced, its place taken"])
def test_what_a_kill_left_is_cleared(unfinished, leftover):
    newest = files.checkpoints(unfinished)[-1]
    before = sorted(p.name for p in newest.iterdir())
    if leftover == "tmp folder":
        (newest.with_name(f".{newest.name}{files.STAGED}") / "adapter").mkdir(parents=True)
    elif leftover == "tmp file":
        (unfinished / f".best.json{files.STAGED}").write_text("{")
    elif leftover == "replaced, its place empty":  # killed between the two renames
        newest.rename(newest.with_name(f".{newest.name}{files.REPLACED}"))
    else:
        shutil.copytree(newest, newest.with_name(f".{newest.name}{files.REPLACED}"))
    run = open_run(same(unfinished))
    assert run.checkpoint == newest
    assert sorted(p.name for p in newest.iterdir()) == before
    assert not list(unfinished.rglob(".*"))
    run.close()


def test_checkpoints_are_counted_by_step_not_by_name(tmp_path):
    for step in (99_999_999, 100_000_000, 5):
        (tmp_path / "checkpoints" / f"step-{step:08d}").mkdir(parents=True)
    (tmp_path / "checkpoints" / "step-evil").mkdir()
    assert [int(p.name[5:]) for p in files.checkpoints(tmp_path)] == [5, 99_999_999, 100_000_000]


def test_saving_over_a_checkpoint_never_leaves_a_gap(tmp_path, monkeypatch):
    folder = tmp_path / "step-00000001"
    files.save(folder, lambda place: files.write_text(place / "a.json", "1"))

    def fails(place):
        raise OSError(28, "No space left on device")

    with pytest.raises(CheckpointError, match="No space left"):
        files.save(folder, fails)
    files.verify(folder)
    files.save(folder, lambda place: files.write_text(place / "a.json", "2"))
    assert (folder / "a.json").read_text() == "2"
    assert os.listdir(tmp_path) == ["step-00000001"]


def test_metrics_are_cut_to_the_checkpoint_also_in_tensorboard(finished, tmp_path):
    """After a continued run every step is in metrics.jsonl and in TensorBoard's curves once."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = tmp_path / "run"
    overrides = [*SMALL, f"run_dir={folder}", "log.tensorboard=true"]
    run = open_run(compose(overrides))
    calls = []
    whole, files.save = files.save, lambda *a: (calls.append(a), whole(*a))[1] if len(calls) < 2 else _stop()
    try:
        with pytest.raises(KeyboardInterrupt):
            train(run)
    finally:
        files.save = whole
    train(open_run(compose(overrides)))
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(64, 513, 64))
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    assert [e.step for e in events.Scalars("loss/value")] == steps


def _stop():
    raise KeyboardInterrupt


def test_a_run_logs_every_key_of_the_table_and_no_other(tmp_path):
    """The table of keys is the only place where they are defined; a key that nothing logs would be a lie in it."""
    from twosome.training import metrics

    run = open_run(compose([*SMALL, "method=mlp_full", "ppo.actor.warmup_updates=0", f"run_dir={tmp_path / 'run'}"]))
    train(run)
    logged = {key for record in metrics.read(tmp_path / "run/metrics.jsonl") for key in record} - {"step"}
    assert logged == metrics.KEYS.keys()


def test_a_run_from_before_a_setting_existed_is_continued_as_it_was(finished, tmp_path):
    """`saved.SINCE` and `checkpoint.LATER_PARTS`: what older runs lack is filled in with what changes nothing."""
    import yaml

    from twosome.systems.build import build
    from twosome.config.saved import saved_settings

    data = yaml.safe_load((finished / "config.yaml").read_text())
    del data["ppo"]["novelty"], data["baseline"]["backward"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(data))
    cfg = saved_settings(tmp_path / "config.yaml")
    assert (cfg.ppo.count_bonus, cfg.baseline.backward) == (0.0, True)

    checkpoint = files.checkpoints(finished)[-1]
    old = tmp_path / checkpoint.name
    shutil.copytree(checkpoint, old)
    state = json.loads((old / "state.json").read_text())
    del state["run"]["novelty"]
    (old / "state.json").write_text(json.dumps(state))
    policy, learner = build(cfg, torch.Generator())
    files.read_training(old, policy, learner, {}, learner.parts)
    assert learner.updates > 0
    del state["run"]["imitation"]
    (old / "state.json").write_text(json.dumps(state))
    with pytest.raises(CheckpointError, match="imitation"):
        files.read_training(old, policy, learner, {}, learner.parts)
