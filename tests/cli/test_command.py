"""The commands' frame: options, exit codes, one paragraph for every mistake, also in several runs at once."""

import signal

import pytest

from tests.faults import paragraph
from twosome.cli import command as cli
from twosome.errors import CheckpointError, EnvironmentFault, NumericsError


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
        (KeyboardInterrupt(), None),
    ],
)
def test_a_failed_run_leaves_with_1(error: BaseException, code: int | None, capfd):
    def job(cfg):
        raise error

    if code is None:
        with pytest.raises(KeyboardInterrupt):
            leave(["seed=1"], job)
        return
    assert leave(["seed=1"], job) == code
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_outside_a_step_leaves_at_once_with_its_code(number: int, code: int, capfd):
    assert leave(["seed=1"], lambda cfg: signal.raise_signal(number)) == code
    assert "Traceback" not in capfd.readouterr().err


def test_a_signal_within_a_step_waits_for_its_end(tmp_path):
    from twosome.training.interrupt import Interrupt, Stopped

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
