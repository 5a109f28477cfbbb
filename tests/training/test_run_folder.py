"""A run's folder: new, finished, held by another, in the way; and what a kill leaves in it."""

import json
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.faults import paragraph
from tests.training.small_run import SMALL
from twosome import checkpoint_folder, files, locks
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


def test_runs_that_begin_together_have_a_folder_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    together = Barrier(8, timeout=60)

    def begun(cfg):
        together.wait()
        return open_run(cfg)

    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(begun, [compose(SMALL) for _ in range(8)]))
    assert len({run.folder for run in runs}) == 8
    for run in runs:
        run.close()


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


def everything(folder):
    """All files below a folder with their bytes, and all folders."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


@pytest.fixture
def home(tmp_path):
    """A folder of somebody's, who forgot to name one for the run."""
    folder = tmp_path / "home"
    (folder / ".backup.tmp").mkdir(parents=True)
    (folder / "checkpoints" / "step-00000001").mkdir(parents=True)
    for name in (".notes.tmp", ".env.old", "thesis.tex", ".backup.tmp/x", "checkpoints/step-00000001/weights.bin"):
        (folder / name).write_text("years of work")
    return folder


@pytest.mark.parametrize("config", [None, "lr: 3\n", "seed: 1\n", "not yaml: ["])
@pytest.mark.parametrize("holds_checkpoints", [True, False])
def test_a_folder_that_is_no_run_is_refused_and_left_as_it_is(home, config, holds_checkpoints):
    if config is not None:
        (home / "config.yaml").write_text(config)
    if not holds_checkpoints:
        shutil.rmtree(home / "checkpoints")
    before = everything(home)
    with pytest.raises((ConfigError, CheckpointError)) as caught:
        open_run(same(home))
    assert paragraph(str(caught.value)) is None
    assert everything(home) == before


@pytest.mark.parametrize(
    ("name", "text"),
    [("environment.json", '{"my": "own"}'), ("environment.json", "no json"), ("made_here", "by hand, 1924")],
)
def test_a_foreign_file_of_a_name_of_ours_is_refused_and_left_as_it_is(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    before = everything(tmp_path)
    with pytest.raises(ConfigError, match="no run of ours"):
        open_run(same(tmp_path))
    assert everything(tmp_path) == before


def test_a_foreign_folder_of_a_name_of_ours_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / ".config.yaml.tmp").mkdir()
    (tmp_path / ".config.yaml.tmp" / "thesis.tex").write_text("years of work")
    before = everything(tmp_path)
    with pytest.raises(ConfigError, match="no run of ours"):
        open_run(same(tmp_path))
    assert everything(tmp_path) == before


def test_a_run_that_was_killed_before_its_settings_were_written_begins_again(unfinished, tmp_path):
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    shutil.copy(unfinished / "environment.json", fresh)
    (fresh / ".config.yaml.tmp").write_text("method: m")
    open_run(same(fresh)).close()
    assert not (fresh / ".config.yaml.tmp").exists()


def test_only_our_own_leftovers_are_cleared(unfinished):
    theirs = [".notes.tmp", ".backup.tmp", ".env.old", "checkpoints/.mine.old", "checkpoints/.step-x.tmp"]
    for name in theirs:
        (unfinished / name).write_text("theirs")
    ours = [".best.json.tmp", ".metrics.jsonl.tmp", "checkpoints/.step-00000001.tmp"]
    for name in ours:
        (unfinished / name).write_text("{")
    open_run(same(unfinished)).close()
    assert all((unfinished / name).read_text() == "theirs" for name in theirs)
    assert not any((unfinished / name).exists() for name in ours)


def test_checkpoints_whose_settings_are_gone_are_kept(unfinished):
    (unfinished / "config.yaml").unlink()
    before = everything(unfinished)
    with pytest.raises(CheckpointError, match=r"no config\.yaml.*has a copy: .*step-"):
        open_run(same(unfinished))
    assert everything(unfinished) == before


@pytest.mark.parametrize("left", [[], ["checkpoints"], [".config.yaml.tmp", "output.txt"]])
def test_a_run_that_was_killed_before_it_began_begins(tmp_path, left):
    for name in left:
        (tmp_path / name).mkdir() if name == "checkpoints" else (tmp_path / name).write_text("{")
    run = open_run(same(tmp_path))
    assert run.checkpoint is None
    assert (tmp_path / "config.yaml").is_file()
    run.close()


@pytest.mark.parametrize(
    "name",
    ["metrics.jsonl", "decisions.jsonl", "tensorboard", "checkpoints/step-00000001", "faults", ".best.json.tmp", "x/y"],
)
@pytest.mark.parametrize("how", ["command line", "resume"])
def test_links_that_lead_out_of_a_run_are_refused(unfinished, tmp_path, name, how):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "diary").write_text("dear diary")
    place = unfinished / name
    if place.is_file():
        place.unlink()
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(outside / "diary" if "json" in name else outside)
    with pytest.raises(CheckpointError, match="is a symbolic link"):
        open_run(same(unfinished) if how == "command line" else compose([f"resume={unfinished}"]))
    assert everything(outside) == {"diary": b"dear diary"}


def test_what_is_written_replaces_a_link_and_does_not_follow_it(tmp_path):
    target = tmp_path / "target"
    target.write_text("theirs")
    for name in ("a.json", ".b.json.tmp"):
        (tmp_path / name).symlink_to(target)
    files.write_text(tmp_path / "a.json", "ours")
    files.write_text(tmp_path / "b.json", "ours")
    assert target.read_text() == "theirs"
    (tmp_path / "c.jsonl").symlink_to(target)
    with pytest.raises(OSError, match=r"c\.jsonl"):
        files.open_to_append(tmp_path / "c.jsonl")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_forked_process_does_not_hold_the_folder(tmp_path):
    """An environment may fork; what it leaves running must not keep the next run out."""
    read, write = os.pipe()
    child = os.fork()
    if not child:  # the run
        try:
            held, left = locks.lock(tmp_path), os.fork()
            if left:
                os.write(write, f"{held is not None} {left} ".encode())
            else:  # the environment's, which has begun
                os.write(write, b"begun ")
                time.sleep(60)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    told = ""
    while told.count(" ") < 3:
        told += os.read(read, 100).decode()
    held, left = (word for word in told.split() if word != "begun")
    try:
        assert held == "True"
        descriptor = locks.lock(tmp_path)
        assert descriptor is not None
        locks.unlock(descriptor)
    finally:
        os.kill(int(left), signal.SIGKILL)


def test_a_relative_folder_stays_where_it_was(tmp_path, monkeypatch):
    """An environment may change the working directory."""
    monkeypatch.chdir(tmp_path)
    run = open_run(same("run"))
    monkeypatch.chdir("/")
    assert run.folder == tmp_path / "run"
    run.close()


def test_a_home_that_is_none_is_a_mistake_of_the_settings():
    with pytest.raises(ConfigError, match=r"run_dir=~nobody-at-all/x is no path"):
        open_run(same("'~nobody-at-all/x'"))


@pytest.mark.parametrize("damage", ["{", "", "3", "\x00", '{"step": "x"}', '{"step": 2, "x": 1} trailing'])
def test_a_damaged_line_costs_that_line_alone(tmp_path, damage):
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"step": step, "return/mean": 0.1 * step}) for step in range(1, 7)]
    path.write_text("\n".join([lines[0], damage, *lines[1:]]) + "\n")
    files.cut_lines(path, 5)
    assert path.read_text().splitlines() == lines[:5]


def test_settings_that_could_not_be_read_again_are_refused(tmp_path):
    cfg = same(tmp_path / "run")
    cfg.env.kwargs = {"text": "x" * 2**20}
    with pytest.raises(ConfigError, match="can be read again"):
        open_run(cfg)
