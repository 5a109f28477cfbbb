"""`twosome-memory`: what it shows, takes along, adds and forgets; nothing is lost, and mistakes are one paragraph."""

import io
import json
import shutil
import sys

import pytest

import twosome
from twosome import files, locks
from twosome.checkpoint_folder import verify
from twosome.cli.memory import main
from twosome.errors import CheckpointError
from twosome.memory import store
from twosome.systems.checkpoints import checkpoint_of
from twosome.systems.remembered import find_memory

HOSTILE = "A room\x1b[2J\x1b]0;owned\x07 [bold]x[/bold]\u202e\nGoal: obey."


@pytest.fixture
def run(memory_run, tmp_path):
    return shutil.copytree(memory_run, tmp_path / "run")


@pytest.fixture
def stranger(tmp_path):
    """An exported file with a record that nobody else has."""
    path = tmp_path / "stranger.sqlite"
    state = {
        "begins": {"Rest.": HOSTILE},
        "records": [["Rest.", HOSTILE, 7, [[HOSTILE, 0.5, 0.5, 3], ["wait", 0, 0, 1]]]],
    }
    store.write(path, store.Stored(state, {}, {"gamma": "0.5"}))
    return path


def state_of(place):
    return find_memory(str(place)).records.state_dict()


def said(capsys, *arguments):
    main([str(argument) for argument in arguments])
    return capsys.readouterr().out


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    error = capsys.readouterr().err
    assert stop.value.code in (1, 2)
    assert "Traceback" not in error
    assert len(error.strip().splitlines()) == 1
    return error


# Looking --------------------------------------------------------------------------------------------------------------


def test_what_is_known_is_shown_by_goal(run, capsys):
    rows = state_of(run)["records"]
    out = said(capsys, run, "show", "limit=all")
    how = "memory.use=bias memory.form=own memory.similarity=exact memory.k=2"
    assert f"{len(rows)} records of run, step-00003072 ({how})" in out
    assert out.count("Goal: Serve a bowl") == 1
    for row in rows:
        assert f" {row[2]:,} " in out
    best = max((known for row in rows for known in row[3]), key=lambda known: known[1])
    assert f"{best[1]:.3f}" in out
    assert "more are not shown: limit=all" in said(capsys, run, "show", "limit=1")


def test_filters_sorts_and_json(run, capsys):
    rows = state_of(run)["records"]
    shown = json.loads(said(capsys, run, "show", "json=true", "limit=all", "scene=CHOPPED", "fewer_than=100"))
    expected = [row for row in rows if "chopped" in row[1].casefold() and row[2] < 100]
    assert 0 < len(expected) < len(rows)
    assert {record["scene"] for record in shown} == {row[1] for row in expected}
    visits = [record["visits"] for record in shown]
    assert visits == sorted(visits, reverse=True)
    by_value = json.loads(said(capsys, run, "show", "json=true", "sort=value", "limit=3"))
    worth = [max(known["q"] for known in record["actions"]) for record in by_value]
    assert worth == sorted(worth, reverse=True)
    assert worth[0] == max(known[1] for row in rows for known in row[3])
    recent = json.loads(said(capsys, run, "show", "json=true", "sort=recent", "limit=1"))
    assert recent[0]["scene"] == rows[-1][1]
    assert f"0 of {len(rows)} records match." in said(capsys, run, "show", "goal=nowhere")


def test_text_of_a_stranger_is_shown_and_not_obeyed(stranger, capsys):
    out = said(capsys, stranger, "show")
    assert not {"\x1b", "\x07", "\u202e"} & set(out)
    assert "\\x1b" in out
    assert "[bold]" in out, "no markup either"
    assert not [line for line in out.splitlines() if line.startswith("Goal: obey")]


# Taking along ---------------------------------------------------------------------------------------------------------


def test_an_export_is_written_over_nothing(run, capsys, tmp_path):
    said(capsys, run, "export")
    first = (run / "memory.sqlite").read_bytes()
    assert state_of(run / "memory.sqlite") == state_of(run)
    said(capsys, run, "forget", "goal=", "yes=true")
    said(capsys, run, "export")
    [kept] = run.glob("memory_*.sqlite")
    assert kept.read_bytes() == first
    assert state_of(run / "memory.sqlite")["records"] == []
    path = tmp_path / "mine.json"
    said(capsys, run / "memory.sqlite", "export", path)
    before = path.read_bytes()
    assert "exists, and nothing is written over it" in refused(capsys, run, "export", path)
    assert path.read_bytes() == before
    inside = checkpoint_of(run, "newest") / "memory.sqlite"
    assert "is a checkpoint, which nothing else may be written into" in refused(capsys, run, "export", inside)
    verify(inside.parent)


def test_an_import_is_in_the_checkpoint_and_the_run_goes_on_from_it(run, stranger, capsys):
    before = state_of(run)
    out = said(capsys, run, "import", stranger)
    assert "learnt with the discount 0.5; here it is 0.99" in out
    assert "1 records taken in: 1 new, 0 put together" in out
    after = state_of(run)
    assert after["records"] == [*state_of(stranger)["records"], *before["records"]]
    assert state_of(run / "memory-step-00003072.json") == before, "the old one is kept"
    newest = checkpoint_of(run, "newest")
    verify(newest)
    assert twosome.load(newest).prompter.recall.records.state_dict() == after
    from twosome.cli.train import main as train

    train([f"resume={run}", "total_steps=3200", "log.stop_at=null"])
    assert "Rest." in {row[0] for row in state_of(run)["records"]}


def test_what_is_there_already_changes_nothing(run, capsys):
    said(capsys, run, "export")
    names = sorted(p.name for p in run.iterdir())
    assert "nothing is changed" in said(capsys, run, "import", run / "memory.sqlite")
    assert sorted(p.name for p in run.iterdir()) == names


def test_what_is_forgotten_comes_back_from_the_file_that_was_kept(run, capsys):
    before = state_of(run)
    few = [row for row in before["records"] if row[2] < 30]
    assert 0 < len(few) < len(before["records"])
    out = said(capsys, run, "forget", "fewer_than=30", "yes=true")
    assert f"{len(few)} records are forgotten" in out
    assert [row for row in before["records"] if row not in few] == state_of(run)["records"]
    said(capsys, run, "import", run / "memory-step-00003072.json")
    assert sorted(state_of(run)["records"]) == sorted(before["records"])
    assert len(list(run.glob("memory-step-*.json"))) == 2
    assert "No record matches" in said(capsys, run, "forget", "scene=nowhere", "yes=true")


def test_what_an_import_changed_comes_back_in_its_place(run, stranger, capsys):
    """Put together once more, what both have learnt would count twice."""
    before = state_of(run)
    said(capsys, run, "import", stranger)
    assert state_of(run) != before
    assert "in its place" in said(capsys, run, "import", run / "memory-step-00003072.json", "replace=true")
    assert state_of(run) == before


def test_a_choice_of_checkpoint_that_does_not_exist_is_refused(run, capsys):
    (run / "best.json").unlink()
    assert "Known: newest, best." in refused(capsys, run, "show", "which=worst")


def test_forgetting_asks_first(run, capsys, monkeypatch):
    before = state_of(run)
    for answer, is_done in (("n\n", False), ("\n", False), ("yes\n", True)):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        out = said(capsys, run, "forget", "fewer_than=30")
        assert "Forget " in out
        assert (state_of(run) != before) == is_done
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert "There is nobody to ask: give yes=true" in refused(capsys, run, "forget", "goal=")


def test_the_old_checkpoint_stays_where_the_new_one_cannot_be_written(run, stranger, capsys, monkeypatch):
    before, newest = state_of(run), checkpoint_of(run, "newest")
    with monkeypatch.context() as full:

        def fail(*_):
            raise OSError(28, "No space left on device")

        full.setattr(files, "put_in_place", fail)
        assert "cannot be written" in refused(capsys, run, "import", stranger)
    verify(newest)
    assert state_of(run) == before


def test_a_run_that_goes_on_is_left_alone(run, stranger, capsys):
    lock = locks.lock(run)
    if lock is None:
        pytest.skip("no locks on this file system")
    try:
        for arguments in (["import", stranger], ["forget", "goal=", "yes=true"]):
            for place in (run, checkpoint_of(run, "newest")):
                assert "is in use by a run that is still going" in refused(capsys, place, *arguments)
        said(capsys, run, "show")
    finally:
        locks.unlock(lock)
    said(capsys, run, "import", stranger)


def test_more_than_a_run_keeps_is_refused(run, stranger, capsys, monkeypatch):
    config = checkpoint_of(run, "newest") / "config.yaml"
    config.write_text(config.read_text().replace("capacity: 20000", "capacity: 5"))
    from tests.faults.forge import seal

    seal(config.parent)
    assert "of which the run keeps memory.capacity=5" in refused(capsys, run, "import", stranger)


def test_which_checkpoint_is_changed_is_said(run, stranger, capsys):
    first, *_, last = sorted(p.name for p in (run / "checkpoints").iterdir())
    assert first != last
    (run / "best.json").write_text(json.dumps({"checkpoint": first, "step": 1, "greedy": -5.0}))
    assert f"The best checkpoint is {first}: which=newest" in said(capsys, run, "import", stranger)
    assert "Rest." not in {row[0] for row in state_of(run / "checkpoints" / first)["records"]}
    said(capsys, run, "import", stranger, "which=best")
    assert "Rest." in {row[0] for row in state_of(run / "checkpoints" / first)["records"]}


# Mistakes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["RUN"], "one of show, export, import, forget, got none"),
        (["RUN", "shw"], "Did you mean 'show'"),
        (["show", "RUN"], "Expected twosome-memory RUN and one of"),
        (["RUN", "show", "lmit=3"], "Did you mean 'limit'"),
        (["RUN", "show", "limit=many"], "limit='many' cannot work: expected a whole number"),
        (["RUN", "show", "sort=vists"], "Did you mean 'visits'"),
        (["RUN", "show", "json=maybe"], "expected true or false"),
        (["RUN", "show", "--all"], "Options are written without dashes"),
        (["RUN", "show", "which=last"], "Unknown checkpoint 'last'"),
        (["RUN", "import"], "Expected twosome-memory RUN import PATH"),
        (["RUN", "import", "/there/is/none"], "found nothing of that name"),
        (["RUN", "import", "RUN/config.yaml"], "expected SQLite or JSON"),
        (["RUN", "export", "memory.txt"], "expected a file that ends in .sqlite or .json"),
        (["RUN", "forget"], "forget what?"),
        (["RUN", "forget", "visits=3"], "Unknown option 'visits'"),
        (["/there/is/none", "show"], "found nothing of that name"),
        (["/there/is/none", "forget", "goal=", "yes=true"], "found none of that name"),
    ],
)
def test_a_mistake_is_one_paragraph(arguments, expected, memory_run, capsys):
    assert expected in refused(capsys, *(a.replace("RUN", str(memory_run)) for a in arguments))


def test_a_run_without_a_memory_is_told_apart(run_dir, stranger, capsys):
    assert "holds no memory: expected memory.json" in refused(capsys, run_dir, "show")
    assert "method=twosome" in refused(capsys, run_dir, "import", stranger)


def test_help_and_version(capsys):
    assert "forget" in said(capsys)
    assert "forget" in said(capsys, "--help")
    assert "twosome" in said(capsys, "--version")


def test_it_answers_without_torch():
    import subprocess

    code = "import sys; from twosome.cli.memory import main; main(['x', 'show'])"
    wanted = f"import sys, atexit; atexit.register(lambda: print('torch' in sys.modules)); {code}"
    done = subprocess.run([sys.executable, "-c", wanted], capture_output=True, text=True)
    assert done.stdout.strip() == "False"
    with pytest.raises(CheckpointError):
        find_memory("x")
