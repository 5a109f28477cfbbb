"""Environments that never answer are interrupted, in their own code and nowhere else."""

import contextlib
import dataclasses
import json
import logging
import signal
import subprocess
import sys
import threading
import time

import gymnasium
import numpy as np
import pytest

from tests.rollout.test_third_party_faults import Summed, summed
from twosome import limits
from twosome.config.compose import compose
from twosome.errors import ConfigError, EnvironmentFault
from twosome.rollout import contract
from twosome.rollout.driver import Tolerance
from twosome.rollout.evaluate import evaluate, run_episodes
from twosome.rollout.first_look import first_look
from twosome.rollout.session import Session, make_drawing_env, replay
from twosome.systems.baselines.random import RandomPolicy


class Hanging(Summed):
    """Never comes back from a step of one in three worlds; `how`: where else. It lets no `Exception` out."""

    def __init__(self, how="step", slow=0.0, **kwargs):
        super().__init__(**kwargs)
        self.how, self.slow = how, slow
        if how == "init":
            self.hang()

    def hang(self):
        while True:
            with contextlib.suppress(Exception):
                time.sleep(0.01)

    def reset(self, *, seed=None, options=None):
        self.hangs = int(np.random.default_rng(seed).integers(3)) == 0
        if self.how == "reset":
            self.hang()
        return super().reset(seed=seed, options=options)

    def step(self, action):
        time.sleep(self.slow)
        if self.how == "step" and self.hangs:
            self.hang()
        return super().step(action)


gymnasium.register("Hanging-v0", Hanging)


def hanging(seconds=0.1, **kwargs):
    return dataclasses.replace(summed(**kwargs), id="Hanging-v0", step_timeout=seconds)


def test_a_world_that_never_answers_costs_its_episode():
    before = signal.getsignal(signal.SIGALRM)
    tolerance = Tolerance(1.0)
    result = evaluate(RandomPolicy(), hanging(), 8, 0, tolerance=tolerance)
    assert result["sampled"]["episodes"] == 8
    assert tolerance.failed > 0
    with pytest.raises(
        EnvironmentFault, match=r"Hanging-v0 took longer than env\.step_timeout=0\.1\. It happened at step 1"
    ):
        evaluate(RandomPolicy(), hanging(), 8, 0)
    with pytest.raises(EnvironmentFault, match=r"took in reset longer than env\.step_timeout=0\.1"):
        first_look(hanging(how="reset"), 0)
    with pytest.raises(ConfigError, match=r"cannot be made: it took longer than env\.step_timeout"):
        first_look(hanging(how="init"), 0)
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.setitimer(signal.ITIMER_REAL, 0)[0] == 0


def test_the_limit_is_of_a_step_and_not_of_an_episode_and_off_by_default(caplog):
    [episode] = run_episodes(RandomPolicy(), hanging(0.2, how="nowhere", slow=0.1), 1, greedy=True, seed=0)
    assert episode.decisions == 3
    assert compose(["env=own", "env.id=x"]).env.step_timeout is None
    assert compose(["env=own", "env.id=x", "env.step_timeout=2.5"]).env.step_timeout == 2.5
    with pytest.raises(ConfigError, match=r"env\.step_timeout=0"):
        compose(["env=own", "env.id=x", "env.step_timeout=0"])
    thread = threading.Thread(target=lambda: first_look(hanging(how="nowhere"), 0))
    thread.start()
    thread.join()
    assert "env.step_timeout=0.1 sets no limit here" in caplog.text


def test_a_hanging_command_says_on_request_where_it_hangs(tmp_path):
    (tmp_path / "slowly.py").write_text(
        "import os, signal, gymnasium\n"
        "class Slow(gymnasium.Env):\n"
        "    def __init__(self):\n"
        "        os.kill(os.getpid(), signal.SIGUSR1)\n"
        "        raise ValueError('enough')\n"
        "gymnasium.register('Slow-v0', Slow)\n"
    )
    code = "from twosome.cli.play import main; main(['env=own', 'env.id=slowly:Slow-v0'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 2
    assert 'slowly.py", line 4 in __init__' in done.stderr
    assert "raised ValueError: enough" in done.stderr


def test_closing_and_drawing_have_the_limit_too():
    class Clinging(Hanging):
        def close(self):
            self.hang()

    began = time.monotonic()
    contract.close_env(Clinging("nowhere"), 0.1)
    assert time.monotonic() - began < 5


def test_what_ends_too_late_is_late_though_it_lets_nothing_out():
    def swallow():
        with contract.told(" in reset", seconds=0.01), contextlib.suppress(BaseException):
            while True:
                pass

    with pytest.raises(contract.Violation, match=r"took in reset longer than env\.step_timeout=0\.01"):
        swallow()


def rung_at(which, calls):
    """Play an episode under a limit that never runs out; the alarm rings at the `which`-th line of our own code."""
    ours = {limits.__file__, contract.__file__}
    left = [which]

    def trace(frame, event, arg):
        if frame.f_code.co_filename not in ours or frame.f_code.co_name not in ("__enter__", "__exit__"):
            return None
        if event in ("line", "return") and callable(signal.getsignal(signal.SIGALRM)):
            left[0] -= 1
            if left[0] == -1:
                calls.append(frame.f_code.co_name)
                signal.raise_signal(signal.SIGALRM)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return run_episodes(RandomPolicy(), hanging(100, how="nowhere"), 1, greedy=True, seed=0)
    finally:
        sys.settrace(before)


def test_the_alarm_never_escapes_wherever_it_rings():
    """On the way in and on the way out too, where a limit that is reached just then rings."""
    before, calls = signal.getsignal(signal.SIGALRM), []
    for which in range(60):
        with contextlib.suppress(EnvironmentFault, ConfigError):
            rung_at(which, calls)
        assert signal.getsignal(signal.SIGALRM) == before
        assert signal.setitimer(signal.ITIMER_REAL, 0)[0] == 0
    assert set(calls) == {"__enter__", "__exit__"}
    assert len(calls) == 60


def test_a_limit_that_no_step_could_keep_is_refused():
    for seconds in ("1e-5", "0.009"):
        with pytest.raises(ConfigError, match=r"env\.step_timeout=.* expected a finite number, 0\.01 or more"):
            compose(["env=own", "env.id=x", f"env.step_timeout={seconds}"])


def test_outside_the_main_thread_it_is_said_once_that_there_is_no_limit(caplog):
    def play():
        run_episodes(RandomPolicy(), hanging(0.7, how="nowhere"), 3, greedy=True, seed=0)

    thread = threading.Thread(target=play)
    with caplog.at_level(logging.WARNING):
        thread.start()
        thread.join()
    assert caplog.text.count("env.step_timeout=0.7 sets no limit here") == 1


def test_a_transcript_sets_no_limit_on_the_machine_of_who_reads_it(tmp_path, capsys):
    slow = dataclasses.replace(
        hanging(None, how="nowhere", slow=0.1), id="twosome_envs:twosome/TomatoSalad-v0", kwargs={}
    )
    session = Session(make_drawing_env(slow), slow, 0)
    session.take(next(iter(session.menu)))
    text = session.transcript()
    first, rest = text.split("\n", 1)
    told = json.dumps(json.loads(first.removeprefix("env: ")) | {"step_timeout": 1e-9})
    (tmp_path / "game.txt").write_text(f"env: {told}\n{rest}")
    assert replay(tmp_path / "game.txt") == 1, "its first line alone differs"
    assert "step_timeout" in capsys.readouterr().out.split("+env")[0]
