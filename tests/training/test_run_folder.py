"""A run's folder: new, finished, held by another, in the way; and what a kill leaves in it."""

import os
import shutil

import pytest

from tests.training.small_run import SMALL
from twosome import checkpoint_folder, files
from twosome.config.compose import compose
from twosome.errors import CheckpointError, ConfigError
from twosome.training.run_folder import open_run


def same(folder, *overrides):
    return compose([*SMALL, f"run_dir={folder}", *overrides])


def test_a_finished_run_is_left_alone(finished):
    for overrides in ([*SMALL, f"run_dir={finished}"], [f"resume={finished}"]):
        with pytest.raises(ConfigError, match="holds a finished run"):
            open_run(compose(overrides))


def test_a_folder_is_held_by_one_run(unfinished):
    run = open_run(same(unfinished))
    with pytest.raises(CheckpointError, match="in use by another run"):
        open_run(same(unfinished))
    run.close()
    open_run(same(unfinished)).close()


def test_a_damaged_checkpoint_is_set_aside_and_said(unfinished, capsys):
    good, newest = checkpoint_folder.checkpoints(unfinished)[-2:]
    (newest / "state.json").write_bytes((newest / "state.json").read_bytes()[:-1])
    run = open_run(same(unfinished))
    assert run.checkpoint == good
    said = capsys.readouterr().err
    assert "state.json is damaged" in said
    assert f"goes on from {good.name}" in said
    run.close()


@pytest.mark.parametrize(
    "leftover", ["tmp folder", "tmp file", "replaced, its place empty", "replaced, its place taken"]
)
def test_what_a_kill_left_is_cleared(unfinished, leftover):
    newest = checkpoint_folder.checkpoints(unfinished)[-1]
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
    assert [int(p.name[5:]) for p in checkpoint_folder.checkpoints(tmp_path)] == [5, 99_999_999, 100_000_000]


def test_saving_over_a_checkpoint_never_leaves_a_gap(tmp_path):
    folder = tmp_path / "step-00000001"
    checkpoint_folder.save(folder, lambda place: files.write_text(place / "a.json", "1"))

    def fails(place):
        raise OSError(28, "No space left on device")

    with pytest.raises(CheckpointError, match="No space left"):
        checkpoint_folder.save(folder, fails)
    checkpoint_folder.verify(folder)
    checkpoint_folder.save(folder, lambda place: files.write_text(place / "a.json", "2"))
    assert (folder / "a.json").read_text() == "2"
    assert os.listdir(tmp_path) == ["step-00000001"]
