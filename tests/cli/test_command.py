"""The commands' frame: options, exit codes, one paragraph for every mistake, also in several runs at once."""

import signal

import pytest

from tests.faults import paragraph
from twosome.cli import command as cli
from twosome.errors import CheckpointError, EnvironmentFault, NumericsError, Stopped


def leave(argv: list[str], job=lambda cfg: None) -> int:
    try:
        cli.run("train", job, argv)
    except SystemExit as leaving:
        return leaving.code
    return 0


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--resume=x"], "Did you mean 'resume'"),
        (["--sed", "1"], "Unknown option '--sed'"),
        (["-m", "seeed=1,2"], "Did you mean 'seed'"),
        (["-m", "seed=abc,1"], "expected a whole number"),
        (["-m", "env=tomato_sald"], "Did you mean 'tomato_salad'"),
        (["-m", "seed=1,2", "ppo.clip=-1"], "ppo.clip=-1"),
        (["-m", "model=hf"], "model.name is missing"),
        (["--cfg", "job", "seed=x"], "expected a whole number"),
        (["seed=1,2"], "seed=1,2"),
        (["env=5"], "Unknown env '5'"),
        (["@x=1"], "'@x=1' is no setting"),
        (["name=${seed}"], "holds an interpolation"),
        (["-m", "name=${nothing}"], "'nothing' not found"),
        (["-m", "env.kwargs={a: {_target_: x}}"], "env.kwargs.a holds a _target_"),
        (["--cfg"], "Wrong option: argument --cfg/-c: expected one argument"),
        (["--info=x"], "Wrong option: argument --info/-i: invalid choice"),
        (["-m=3", "seed=1"], "Wrong option"),
        (["seed=1" + "0" * 400], "seed=1000"),
        (["-m", "ppo.clip=1" + "0" * 400], "ppo.clip=1000"),
        (["-m", "seed=1" + "0" * 5000], "seed cannot work: expected a number that a float can hold"),
        (["env.kwargs=" + "{a: " * 500 + "1" + "}" * 500], "nested too deep"),
    ],
)
def test_a_mistake_leaves_with_2_and_one_paragraph(argv: list[str], said: str, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert leave(argv) == 2
    error = capfd.readouterr().err
    last = error.strip().splitlines()[-1]
    assert "Traceback" not in error
    assert paragraph(last) is None
    assert said in last


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CheckpointError("The disk is full."), 1),
        (NumericsError("Too many."), 1),
        (EnvironmentFault("It raised."), 1),
        (PermissionError(13, "Permission denied"), 1),
        (KeyboardInterrupt(), 130),
        (MemoryError(), 1),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), 1),
        (OSError(5, "three\n\nparagraphs\n\n"), 1),
    ],
)
def test_a_failed_run_leaves_with_1_in_one_paragraph(error: BaseException, code: int, capfd):
    def job(cfg):
        raise error

    assert leave(["seed=1"], job) == code
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_outside_a_step_leaves_at_once_with_its_code(number: int, code: int, capfd):
    assert leave(["seed=1"], lambda cfg: signal.raise_signal(number)) == code
    assert "Traceback" not in capfd.readouterr().err


def test_a_signal_within_a_step_waits_for_its_end(tmp_path):
    from twosome.training.interrupt import Interrupt

    done = []

    def step():
        with Interrupt(tmp_path) as interrupt:
            interrupt.wait_for_step()
            signal.raise_signal(signal.SIGTERM)
            done.append("the step")
            interrupt.leave_if_asked()
            done.append("the next")

    with pytest.raises(Stopped, match="SIGTERM") as caught:
        step()
    assert done == ["the step"]
    assert caught.value.code == 143
    assert "begins again" in str(caught.value)


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert leave(["seed=1"], lambda cfg: signal.raise_signal(signal.SIGHUP)) == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_runtime_error_is_a_fault_of_the_program_and_shows_where():
    def job(cfg):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        leave(["seed=1"], job)


def test_text_of_others_in_an_error_is_shown_and_not_obeyed(capfd):
    def job(cfg):
        raise CheckpointError("The saved settings ask to import '\x1b]0;pwned\x07\x1b[2J\u202e'.")

    assert leave(["seed=1"], job) == 1
    said = capfd.readouterr().err
    assert not set("\x1b\x07\u202e") & set(said)
    assert r"\x1b]0;pwned\x07\x1b[2J\u202e" in said
