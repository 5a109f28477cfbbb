"""Third-party environments: what they break is told with a replay, dropped within a share, and never ends a resume."""

import dataclasses
import itertools
import json
import logging
import re
import signal
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.wrappers import RecordEpisodeStatistics

from tests.faults import environments
from twosome import files
from twosome.config.compose import compose
from twosome.config.schema import EnvSettings
from twosome.errors import EnvironmentFault
from twosome.report.record import record
from twosome.rollout.checked_env import World
from twosome.rollout.collect import Worlds, collect
from twosome.rollout.contract import Violation, check_observation, said, short, told
from twosome.rollout.driver import Tolerance
from twosome.rollout.evaluate import evaluate, run_episodes
from twosome.rollout.session import Session, make_drawing_env, replay
from twosome.systems.baselines.random import RandomPolicy
from twosome.terminal import protected
from twosome.training.interrupt import Interrupt
from twosome.training.run_folder import Run


@pytest.fixture
def env():
    environments.register()
    settings = compose(["env=own", f"env.id={environments.ID}"]).env

    def of(fault, at=2, every=1):
        return dataclasses.replace(settings, kwargs={"fault": fault, "at": at, "every": every})

    return of


def roll(env, tolerance=None, steps=12, seed=0):
    worlds = Worlds(env, RandomPolicy(), seed, 2, tolerance)
    return worlds, collect(worlds, steps, torch.Generator().manual_seed(0))


def test_the_message_names_environment_step_seed_and_actions(env):
    with pytest.raises(EnvironmentFault) as caught:
        roll(env("raises ValueError", at=3))
    said = str(caught.value)
    what = r"faulty/Misbehaving-v0 raised ValueError: broken in two paragraphs \(environments\.py, line \d+\)\. "
    assert re.search(f"{what}It happened at step 3 of episode 0", said)
    assert re.search(r"episode seed \d+\); the actions that led there: \[\d, \d, \d\]", said)
    assert "log.max_failed_episodes=0.0" in said


def test_the_transcript_plays_again(env, tmp_path):
    run = Run(tmp_path, None, None)
    with pytest.raises(EnvironmentFault, match=r"twosome-play replay=.*\.txt"):
        roll(env("reward nan", at=3), Tolerance(keep=run.keep_fault))
    [path] = (tmp_path / "faults").iterdir()
    told = path.read_text()
    assert len(re.findall(r"^> \d+ ", told, flags=re.M)) == 3
    assert "fault: Environment faulty/Misbehaving-v0 gave the reward nan" in told
    with pytest.raises(EnvironmentFault, match="gave the reward nan"):  # it plays, and comes to the same fault
        replay(path)


def test_a_share_of_episodes_may_fail(env, caplog):
    with caplog.at_level(logging.WARNING):
        worlds, rollout = roll(env("raises KeyError", at=2, every=3), Tolerance(0.9), steps=40)
    assert worlds.tolerance.failed == int((~rollout.is_real).sum()) > 0
    assert "An episode is dropped" in caplog.text
    with pytest.raises(EnvironmentFault, match=r"of \d+ episodes failed; log\.max_failed_episodes=0\.1"):
        roll(env("raises KeyError", at=2, every=2), Tolerance(0.1), steps=60)


def test_an_environment_whose_every_episode_fails_ends_even_a_tolerant_run(env):
    with pytest.raises(EnvironmentFault, match="1000 episodes in a row"):
        evaluate(RandomPolicy(), env("raises KeyError", at=1), 1, 0, tolerance=Tolerance(1.0))


def test_an_environment_that_never_begins_ends_even_a_tolerant_run(env):
    with pytest.raises(EnvironmentFault):
        roll(env("raises KeyError", at=0), Tolerance(1.0))


def test_evaluation_replaces_failed_episodes(env):
    result = evaluate(RandomPolicy(), env("raises KeyError", at=2, every=3), 10, 0, tolerance=Tolerance(0.9))
    assert result["greedy"]["episodes"] == result["sampled"]["episodes"] == 10
    with pytest.raises(EnvironmentFault):
        evaluate(RandomPolicy(), env("raises KeyError", at=2, every=1), 10, 0)


def test_the_number_of_transcripts_is_bounded(env, tmp_path):
    run = Run(tmp_path, None, None)
    for k in range(120):
        fault = EnvironmentFault("It failed.")
        fault.name, fault.transcript = f"fault{k}", "told"
        run.keep_fault(fault)
    assert len(list((tmp_path / "faults").iterdir())) == 100


def test_worlds_come_back_by_replay(env):
    worlds, _ = roll(env("raises KeyError", at=9), steps=9)
    again = Worlds(env("raises KeyError", at=9), RandomPolicy(), 0, 2)
    again.load_state_dict(worlds.state_dict())
    assert [w.decision for w in again.worlds] == [w.decision for w in worlds.worlds]
    assert again.state_dict() == worlds.state_dict()


def test_an_environment_that_does_not_repeat_itself_costs_its_episode_not_the_run(env, caplog):
    worlds, _ = roll(env("raises KeyError", at=9), steps=9)
    state = worlds.state_dict()
    state["worlds"][0]["state"] = "Elsewhere."
    with caplog.at_level(logging.WARNING):
        worlds.load_state_dict(state)
    assert "is not reproducible" in caplog.text
    assert worlds.worlds[0].episode == state["worlds"][0]["episode"] + 1
    assert worlds.worlds[0].actions == []


def test_nested_arguments_of_an_environment_are_kept_in_its_transcript_as_they_are():
    settings = compose(["env=salads"]).env
    world = World(settings, RandomPolicy(), 0, 0)
    world.reset()
    head = world.fault("did something").transcript.splitlines()[0]
    assert json.loads(head.removeprefix("env: "))["kwargs"] == settings.kwargs


def test_a_menu_that_comes_back_otherwise_is_seen(env, caplog):
    """The prompt may be the same and the menu another: the run would go on with other actions than it had."""
    worlds, _ = roll(env("raises KeyError", at=9), steps=9)
    state = worlds.state_dict()
    state["worlds"][0]["menu"][0] = "open the window"
    with caplog.at_level(logging.WARNING):
        worlds.load_state_dict(state)
    assert "led to the menu" in caplog.text
    assert worlds.worlds[0].actions == []
    del state["worlds"][1]["menu"]  # a checkpoint from before menus were kept
    worlds.load_state_dict(state)
    assert worlds.worlds[1].actions == state["worlds"][1]["actions"]


class Summed(gymnasium.Env):
    """Three steps of reward 1; `summary`: what it says of the episode, if anything."""

    action_space, observation_space = gymnasium.spaces.Discrete(2), gymnasium.spaces.Dict({})

    def __init__(self, summary=None, last="The end.", ends="terminated", fails=None, told=None):
        self.summary, self.last, self.ends, self.fails, self.told = summary, last, ends, fails, told

    def reset(self, *, seed=None, options=None):
        self.now = 0
        return {"scene": "Now.", "goal": "Wait."}, {"actions": ("wait", "sleep")}

    def step(self, action):
        self.now += 1
        if self.fails is not None:
            raise RAISED[self.fails]
        over = self.now == 3
        info = {"actions": ("wait", "sleep")} | ({"episode": self.summary} if over and self.summary else {})
        info = TOLD[self.told](info) if self.told else info
        scene = {"scene": self.last if over else "Now.", "goal": "Wait."}
        return scene, 1.0, over and self.ends == "terminated", over and self.ends == "truncated", info


class Own(BaseException):
    """Not even an `Exception`."""


class Mine(KeyboardInterrupt):
    """What no person asked for."""


RAISED = {kind.__name__: kind for kind in (KeyboardInterrupt, GeneratorExit, Own, Mine)}


class Trap(dict):
    """A mapping that holds an entry which cannot be read."""

    def __getitem__(self, key):
        raise OSError("no such entry")


class Endless(list):
    """A mask without end."""

    def __iter__(self):
        return itertools.repeat(True)


TOLD = {
    "success an array": lambda info: info | {"success": np.array([True, False])},
    "success a word": lambda info: info | {"success": "no"},
    "success not a number": lambda info: info | {"success": float("nan")},
    "episode an array": lambda info: info | {"episode": np.zeros(2)},
    "episode of arrays": lambda info: info | {"episode": {"r": np.ones(1), "l": 3}},
    "episode a trap": lambda info: info | {"episode": Trap(r=1.0, l=3)},
    "info a trap": lambda info: Trap(info),
    "a mask without end": lambda info: info | {"action_mask": Endless()},
    "success of numpy": lambda info: info | {"success": np.bool_(False)},
    "success without dimension": lambda info: info | {"success": np.array(0.0)},
    "success nothing": lambda info: info | {"success": None},
}
KINDLY = [name for name in TOLD if name in ("success of numpy", "success without dimension", "success nothing")]


gymnasium.register("Summed-v0", Summed)


def summed(**kwargs):
    return EnvSettings(id="Summed-v0", kwargs=kwargs, gamma=0.5, optimum=None)


def test_an_undiscounted_return_does_not_pass_as_discounted(caplog):
    """It would choose the best checkpoint and end the run by `log.stop_at`."""
    with caplog.at_level(logging.WARNING):
        result = evaluate(RandomPolicy(), summed(summary={"r": 3.0, "l": 3}), 4, 0)
    assert result["greedy"]["return_mean"] == 1.75
    assert caplog.text.count("RecordEpisodeStatistics") == 1
    assert evaluate(RandomPolicy(), summed(summary={"r": 1.7501, "l": 9}), 1, 0)["greedy"]["return_mean"] == 1.7501
    wrapped = run_episodes(RandomPolicy(), summed(), 1, greedy=True, seed=0, wrap=RecordEpisodeStatistics)
    assert wrapped[0].discounted_return == 1.75


def test_a_last_scene_that_nothing_needs_may_be_too_long(untrained):
    """After a terminal step no action follows and no value is asked for; after a truncation the value is."""
    long = "a door and " * 3000
    [episode] = run_episodes(untrained, summed(last=long), 1, greedy=True, seed=0)
    assert episode.success
    with pytest.raises(EnvironmentFault, match="cannot take"):
        run_episodes(untrained, summed(last=long, ends="truncated"), 1, greedy=True, seed=0)
    recording = record(untrained, summed(last=long), 1)[0]
    assert recording.last_scene == long


@pytest.mark.parametrize("fails", RAISED)
def test_whatever_an_environment_raises_is_its_fault(fails, monkeypatch):
    with Interrupt(), pytest.raises(EnvironmentFault, match=f"raised {fails}: .*It happened at step 1"):
        run_episodes(RandomPolicy(), summed(fails=fails), 1, greedy=True, seed=0)


@pytest.mark.parametrize("told", [name for name in TOLD if name not in KINDLY])
def test_whatever_an_environment_tells_is_checked_where_it_enters(told):
    with pytest.raises(EnvironmentFault, match=r"Summed-v0 (gave info|gave more than 2 entries|raised OSError)"):
        run_episodes(RandomPolicy(), summed(told=told), 1, greedy=True, seed=0)


@pytest.mark.parametrize("told", KINDLY)
def test_numbers_of_numpy_are_numbers(told):
    [episode] = run_episodes(RandomPolicy(), summed(told=told), 1, greedy=True, seed=0)
    assert episode.success is False
    summary = {"r": np.float32(1.75), "l": np.array(3)}
    [episode] = run_episodes(RandomPolicy(), summed(summary=summary), 1, greedy=True, seed=0)
    assert (episode.discounted_return, episode.length, episode.success) == (1.75, 3, True)


class Muting(Summed):
    """Takes the streams away, as libraries do that want to be quiet."""

    def __init__(self):
        super().__init__()
        sys.stdout = None

    def step(self, action):
        sys.stdout = sys.stderr = None
        return super().step(action)


gymnasium.register("Muting-v0", Muting)


def test_an_environment_cannot_take_the_streams_away(capsys):
    streams = sys.stdout, sys.stderr
    run_episodes(RandomPolicy(), dataclasses.replace(summed(), id="Muting-v0"), 1, greedy=True, seed=0)
    assert (sys.stdout, sys.stderr) == streams
    with protected():
        sys.stdout = None
    assert sys.stdout is streams[0]


def test_what_restores_wrongly_is_a_fault_also_where_an_episode_is_taken_up():
    class Wrong(Summed):
        def snapshot(self):
            return 3

        def restore(self, snapshot):
            raise KeyError(snapshot)

    env = Wrong()
    env.reset()
    with pytest.raises(EnvironmentFault, match="raised KeyError in restore: 3"):
        World(summed(), RandomPolicy(), 0, 0, env=env).adopt()


def test_a_persons_own_interrupt_is_not(monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.default_int_handler)  # whatever started the tests
    with pytest.raises(KeyboardInterrupt):
        run_episodes(RandomPolicy(), summed(fails="KeyboardInterrupt"), 1, greedy=True, seed=0)


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n", "\x0b", "\u2028", "\x85"])
def test_scenes_with_any_line_ends_play_the_same_again(tmp_path, ends, capsys):
    session = Session(make_drawing_env(summed(last=f"one{ends}two")), summed(last=f"one{ends}two"), 0)
    while not session.over:
        session.take(0)
    files.write_text(tmp_path / "game.txt", session.transcript())
    assert replay(tmp_path / "game.txt") == 0, capsys.readouterr().out


class Unspeakable(Exception):
    def __str__(self):
        raise SystemExit(0)

    __repr__ = __str__


def test_an_error_that_ends_the_program_when_it_is_told_is_told_all_the_same():
    assert said(Unspeakable()) == "(no message)"
    assert short(Unspeakable()) == "a Unspeakable that cannot be shown"


def test_an_error_names_the_line_of_others_that_it_comes_from():
    def mine():
        np.zeros(2).reshape(3, 3)  # raised within numpy, or by Python's own json below

    for fails in (mine, lambda: json.loads("{")):
        with pytest.raises(Violation, match=rf" \({Path(__file__).name}, line \d+\)$"), told():
            fails()


def test_an_observation_that_lacks_one_of_its_texts_is_told_which():
    for given, missing in (({"scene": "A room."}, "goal"), ({"goal": "Eat."}, "scene")):
        with pytest.raises(Violation, match=f"the text `{missing}`"):
            check_observation(given)
    with pytest.raises(Violation, match="MenuWrapper"):
        check_observation({"scene": 3})
