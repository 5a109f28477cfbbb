"""Worlds in processes of their own: the same bits, the same errors, and nothing lost where one dies or hangs."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.rollout import troubled_worlds  # noqa: F401  registers its ids, which processes are to know too
from twosome.agents.planner import Planner
from twosome.config.compose import compose
from twosome.config.schema import EnvSettings
from twosome.errors import ConfigError, EnvironmentFault
from twosome.rollout.checked_env import World
from twosome.rollout.collect import Worlds, collect
from twosome.rollout.contract import Violation
from twosome.rollout.demonstration import demonstrated
from twosome.rollout.driver import Tolerance
from twosome.rollout.evaluate import run_episodes
from twosome.rollout.first_look import first_look
from twosome.rollout.process import Process
from twosome.rollout.workers import Workers
from twosome.systems.baselines.random import RandomPolicy

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def workers():
    """Processes that this file shares; two worlds step at a time."""
    with Workers(2) as shared:
        yield shared
        assert all(process.is_alive for process in shared._idle)


def troubled(how="nothing", seconds=None, id="Troubled-v0", **kwargs):
    return EnvSettings(id=id, kwargs={"how": how, **kwargs}, gamma=1.0, optimum=None, step_timeout=seconds)


def play(env, workers, episodes=4, **kwargs):
    return run_episodes(RandomPolicy(), env, episodes, greedy=False, seed=0, workers=workers, **kwargs)


def test_the_same_episodes(workers):
    for env in (troubled(), compose(["env=blackjack"]).env):
        assert play(env, workers) == play(env, None)


def test_the_same_search(workers):
    """Snapshots are taken and gone back to, in the process."""
    search = compose(["method=search", "search.simulations=4"]).search
    games = [play(troubled(), has, 2, deliberate=Planner(RandomPolicy(), search, 0)) for has in (None, workers)]
    assert games[0] == games[1]


def test_what_a_world_offers(workers):
    """Snapshots, states, seals, demonstrations, replays and reports of where it is, of the desk with and without."""
    env = compose(["env=desk"]).env
    seen = []
    for has in (None, workers):
        world = World(env, RandomPolicy(), 0, 0, workers=has)
        world.reset()
        start, lines = world.snapshot(), []
        for _ in range(3):
            lines += [world.state, world.menu, demonstrated(world), world.step(0), hash(world.key) != 0]
        world.sealed = True
        assert world.sealed
        world.recreate()
        assert world.sealed
        world.restore(start)
        assert (world.snapshot(), world.can_snapshot) == (start, True)
        saved = world.state_dict()
        world.load_state_dict(saved)
        seen.append(
            (lines, start, saved, world.env.metadata, world.env.action_space, type(world.env.unwrapped).__name__)
        )
        world.close()
    assert seen[0][:-1] == seen[1][:-1]
    assert [kind for *_, kind in seen] == ["DeskEnv", "Remote"]  # so the second was in a process of its own


@pytest.mark.parametrize("how", ["raises", "exits", "missing"])
def test_an_error_of_a_world_is_told_as_without_a_process(how, workers):
    told = []
    for has in (None, workers):
        with pytest.raises(EnvironmentFault) as fault:
            play(troubled(how), has)
        told.append((str(fault.value), fault.value.transcript))
    assert told[0] == told[1]
    assert {"raises": "raised ValueError: the floor gave way (troubled_worlds.py, line "}.get(how, "raised ") in told[
        0
    ][0]


def test_an_interrupt_that_a_world_raises_is_its_own_fault(workers):
    """In a process of its own nobody can have meant the program."""
    with pytest.raises(EnvironmentFault, match=r"Troubled-v0 raised KeyboardInterrupt"):
        play(troubled("interrupts"), workers)


@pytest.mark.parametrize("env", [troubled("wrong"), troubled("import"), troubled(no=1), troubled(id="Nowhere-v0")])
def test_a_world_that_cannot_be_made_is_told_as_without_a_process(env, workers):
    told = []
    for has in (None, workers):
        with pytest.raises(ConfigError) as error:
            first_look(env, 0, workers=has)
        told.append(str(error.value))
    assert told[0] == told[1]


def test_why_a_world_cannot_go_back_is_told_as_without_a_process(workers):
    told = []
    for has in (None, workers):
        world = World(troubled(id="Limited-v0"), RandomPolicy(), 0, 0, workers=has)
        world.reset()
        assert not world.can_snapshot
        with pytest.raises(ConfigError) as error:
            world.adopt()
        told.append(str(error.value))
        world.close()
    assert told[0] == told[1]
    assert "the wrapper TimeLimit" in told[0]


def test_what_cannot_be_sent_is_refused_with_the_remedy(workers):
    world = World(troubled("unsent"), RandomPolicy(), 0, 0, workers=workers)
    world.reset()
    with pytest.raises(EnvironmentFault, match=r"gave from snapshot what cannot be sent .*num_workers=0 keeps"):
        world.snapshot()
    world.close()


@pytest.mark.parametrize(("how", "told"), [
    ("dies", "has lost its process: signal 9 ended it"),
    ("hangs", "took longer than env.step_timeout=0.5"),
])  # fmt: skip
def test_a_process_that_dies_or_hangs_costs_its_episode(how, told, workers, caplog):
    """Even where no fault is allowed. The other worlds play what they would have played, in the same steps."""
    tolerance = Tolerance()
    worlds = Worlds(troubled(how, 0.5), RandomPolicy(), 0, 3, tolerance, workers)
    calm = Worlds(troubled(), RandomPolicy(), 0, 3)
    try:
        generator, twin = (torch.Generator().manual_seed(0) for _ in range(2))
        rollout, quiet = collect(worlds, 4, generator), collect(calm, 4, twin)
    finally:
        worlds.close()
        calm.close()
    lost = ~rollout.is_real
    assert lost.sum() == tolerance.failed > 0
    assert caplog.text.count(told) == tolerance.failed
    sound = ~lost.any(dim=0)
    assert 0 < sound.sum() < 3
    for name in ("actions", "log_probs", "rewards", "terminated"):
        assert getattr(rollout, name)[:, sound].tolist() == getattr(quiet, name)[:, sound].tolist()


@pytest.mark.slow  # some seconds of new processes
def test_too_many_lost_processes_end_a_run(workers):
    with pytest.raises(EnvironmentFault, match=r"signal 9 .*log.max_failed_episodes=0.0 .*0.1 where a process is lost"):
        play(troubled("dies"), workers, 30)


def test_worlds_step_at_the_same_time(workers, tmp_path):
    """Each of the two waits in every step for the other to be in it; one after the other they would never end."""
    worlds = Worlds(troubled("meets", 30, folder=str(tmp_path)), RandomPolicy(), 0, 2, None, workers)
    try:
        rollout = collect(worlds, 3, torch.Generator().manual_seed(0))
    finally:
        worlds.close()
    assert rollout.is_real.all()


def test_no_process_is_there_twice_or_left_over(tmp_path):
    """Closed worlds hand theirs on, unless closing failed; at the end there is none."""
    with Workers(1) as workers:
        pids = []
        for how in ("nothing", "closing", "nothing"):
            world = World(troubled(how), RandomPolicy(), 0, 0, workers=workers)
            pids.append(world.env.unwrapped._process._child.pid)
            world.reset()
            world.close()
            world.close()
    assert pids[0] == pids[1] != pids[2]
    assert not any(map(is_there, pids))


SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have had it ignored
from twosome.config.schema import EnvSettings
from twosome.rollout.workers import Workers
kwargs = {"how": "hangs", "folder": sys.argv[1]}
with Workers(1) as workers:
    id = "tests.rollout.troubled_worlds:Troubled-v0"
    env = workers.env(EnvSettings(id=id, kwargs=kwargs, gamma=1.0, optimum=None))
    for seed in range(30):
        env.reset(seed=seed)
        for _ in range(3):
            env.step(0)
"""


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_the_program(signal_, tmp_path):
    """Neither a process that hangs nor what it has started, whether the program is interrupted or killed."""
    program = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=ROOT, stderr=subprocess.DEVNULL)
    until(lambda: (tmp_path / "pids").exists() or program.poll() is not None)
    pids = list(map(int, (tmp_path / "pids").read_text().split()))
    assert all(map(is_there, pids))
    program.send_signal(signal_)
    program.wait(100)
    until(lambda: not any(map(is_there, pids)))


def is_there(pid):
    """Whether a process runs; one that has ended and that nobody has fetched does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until(condition):
    deadline = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_who_still_owes_an_answer_is_asked_nothing_more():
    """Its next answer would be taken for that to another question, and it would be used again, one answer behind."""
    process = Process()
    try:
        process.must_have_started()
        process.send("close")
        with pytest.raises(Violation, match="has not answered what it was asked before"):
            process.ask("close")
        assert not process.close()
    finally:
        process.end()


def test_a_module_beside_the_user_is_not_taken_for_pythons_own(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    monkeypatch.chdir(tmp_path)
    process = Process()
    try:
        process.must_have_started()
    finally:
        process.end()
