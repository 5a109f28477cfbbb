"""What a long or unlucky run needs: worlds that are closed, clocks that may go back, phrases of any length."""

import itertools
import json
import re
import time

import gymnasium
import pytest

from tests.training.small_run import SMALL
from twosome.config.compose import compose
from twosome.errors import EnvironmentFault, Stopped
from twosome.training.loop import train
from twosome.training.run_folder import open_run
from twosome.training.start import start

OPEN: set[int] = set()  # worlds that are not closed, by a number of their own
MADE = itertools.count()
WORDS = ("chop", "the", "red", "tomato", "on", "board", "then", "put", "it", "into", "a", "bowl")


class Counted(gymnasium.Env):
    """Two actions, five steps. `fails`: what it raises, at which of all steps, or from which instance on it is broken.

    `longest`: words of its second phrase.
    """

    action_space = gymnasium.spaces.Discrete(2)
    observation_space = gymnasium.spaces.Dict({"vector": gymnasium.spaces.Box(0, 9, (1,))})

    def __init__(self, fails=None, longest=1, render_mode=None):
        self.number, self.fails, self.longest = next(MADE), fails, longest
        OPEN.add(self.number)

    def reset(self, *, seed=None, options=None):
        self.now = 0
        return self._shown()

    def step(self, action):
        self.now += 1
        if self.fails == "fault":
            raise ValueError("it broke")
        if self.fails == "stop":
            raise Stopped(15, "Stopped by SIGTERM.")
        observation, info = self._shown()
        return observation, float(action), self.now == 5, False, info

    def close(self):
        OPEN.discard(self.number)
        if self.fails == "close":
            raise OSError("it stays open")

    def _shown(self):
        phrase = " ".join(itertools.islice(itertools.cycle(WORDS), self.longest))
        return {"scene": f"Minute {self.now}.", "goal": "Cook.", "vector": [self.now]}, {"actions": ("wait", phrase)}


class Scarce(Counted):
    """Only so many of them can be made."""

    left = 3

    def __init__(self):
        if Scarce.left == 0:
            raise OSError("no more of them")
        Scarce.left -= 1
        super().__init__()


for kind in (Counted, Scarce):
    gymnasium.register(f"{kind.__name__}-v0", kind)


def settings(folder, *more, name="Counted"):
    own = ("env=own", f"env.id={name}-v0", "env.gamma=0.9", "num_envs=4", "total_steps=64", "rollout_steps=8")
    small = [o for o in SMALL if not o.startswith(("env=", "method="))]
    return compose([*small, "method=mlp", *own, f"run_dir={folder}", *more])


@pytest.mark.parametrize(
    ("how", "error"),
    [("nothing", None), ("close", None), ("fault", EnvironmentFault), ("stop", Stopped)],
)
def test_every_world_of_a_run_is_closed_however_it_ends(how, error, tmp_path):
    """Those of the first look, of training, of evaluation, and those that a fault had replaced."""
    OPEN.clear()
    made = next(MADE)
    cfg = settings(tmp_path / "run", f"env.kwargs={{fails: {how}}}")
    if error is None:
        start(cfg)
    else:
        with pytest.raises(error):
            train(open_run(cfg))
    assert next(MADE) - made > 4
    assert not OPEN


def test_a_tolerant_run_closes_what_broke_and_one_that_cannot_begin_what_it_had(tmp_path):
    OPEN.clear()
    with pytest.raises(EnvironmentFault, match="1000 episodes in a row"):
        train(open_run(settings(tmp_path / "run", "env.kwargs={fails: fault}", "log.max_failed_episodes=1")))
    assert not OPEN
    Scarce.left = 3
    with pytest.raises(ValueError, match="no more of them"):
        train(open_run(settings(tmp_path / "scarce", name="Scarce")))
    assert not OPEN


def test_a_checkpoint_that_cannot_be_read_leaves_no_world_open(tmp_path):
    OPEN.clear()
    cfg = settings(tmp_path / "run")
    train(open_run(cfg))
    (tmp_path / "run" / "summary.json").unlink()
    run = open_run(settings(tmp_path / "run"))
    (run.checkpoint / "state.json").write_text("{}")
    with pytest.raises(OSError, match=r"state\.json|checkpoint"):
        train(run)
    assert not OPEN


# Clocks ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def clocks(monkeypatch):
    """Every clock jumps an hour back at every look."""
    for name in ("time", "perf_counter", "monotonic", "process_time"):
        ticks = itertools.count(1e6, -3600.0)
        monkeypatch.setattr(time, name, lambda ticks=ticks: next(ticks))


@pytest.mark.parametrize("method", ["mlp", "gumbel"])
def test_clocks_that_go_back_break_nothing(method, clocks, tmp_path, capsys):
    """Neither the log, nor the time left, nor a search's deadline, nor a resume."""
    more = ["search.simulations=2", "search.max_seconds=60"] if method == "gumbel" else []
    more = [f"method={method}", "total_steps=64", "env.kwargs={longest: 2}", "log.stop_at=null", *more]
    summary = train(open_run(settings(tmp_path / "run", *more)))
    assert summary["wall_seconds"] == 0
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    for record in map(json.loads, lines):
        assert all(value >= 0 for key, value in record.items() if key.startswith("speed/"))
    (tmp_path / "run" / "summary.json").unlink()
    again = train(open_run(settings(tmp_path / "run", *more)))
    assert again["env_steps"] == summary["env_steps"]
    assert not re.search(r"-\d+:|:-\d", capsys.readouterr().out)


# Phrases --------------------------------------------------------------------------------------------------------------


def test_phrases_of_three_hundred_tokens_are_learnt_and_longer_ones_refused_by_name(tmp_path):
    more = ["method=twosome", "model=tiny", "total_steps=32", "num_envs=2", "rollout_steps=16", "log.eval_episodes=1"]
    more += ["ppo.actor.warmup_updates=0"]
    summary = train(open_run(settings(tmp_path / "run", *more, "env.kwargs={longest: 280}")))
    assert summary["env_steps"] == 32
    records = list(map(json.loads, (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()))
    assert all(r["numerics/bad_updates"] == 0 for r in records)
    assert abs(records[-1]["loss/policy"]) < 10
    with pytest.raises(EnvironmentFault, match=r"Counted-v0 gave .*cannot take: Prompt and action need \d+ tokens"):
        train(open_run(settings(tmp_path / "long", *more, "env.kwargs={longest: 900}")))
