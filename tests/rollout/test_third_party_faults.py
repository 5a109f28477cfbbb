"""Third-party environments: what they break is told with a replay, dropped within a share, and never ends a resume."""

import dataclasses
import json
import logging
import re

import pytest
import torch

from tests.faults import environments
from twosome.config.compose import compose
from twosome.errors import EnvironmentFault
from twosome.rollout.checked_env import World
from twosome.rollout.collect import Worlds, collect
from twosome.rollout.driver import Tolerance
from twosome.rollout.evaluate import evaluate
from twosome.rollout.session import replay
from twosome.systems.baselines.random import RandomPolicy
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
    what = r"faulty/Misbehaving-v0 raised ValueError: broken in two paragraphs\. It happened at step 3 of episode 0"
    assert re.search(what, said)
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
    assert replay(path) == 1  # it plays; the end differs, since the player does not check rewards


def test_a_share_of_episodes_may_fail(env, caplog):
    with caplog.at_level(logging.WARNING):
        worlds, rollout = roll(env("raises KeyError", at=2, every=3), Tolerance(0.9), steps=40)
    assert worlds.tolerance.failed == int((~rollout.is_real).sum()) > 0
    assert "An episode is dropped" in caplog.text
    with pytest.raises(EnvironmentFault, match=r"of \d+ episodes failed; log\.max_failed_episodes=0\.1"):
        roll(env("raises KeyError", at=2, every=2), Tolerance(0.1), steps=60)


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
    head = world._fault("did something").transcript.splitlines()[0]
    assert json.loads(head.removeprefix("env: "))["kwargs"] == settings.kwargs
