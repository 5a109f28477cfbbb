"""What a world found out outside: events are kept, handed back, and not asked for twice; a sealed world asks nobody."""

import json
import logging

import pytest
import torch
from gymnasium.wrappers import TimeLimit

from tests.rollout import example_worlds
from tests.rollout.example_worlds import IDS, OUTSIDE, Oracle, agent, begun, settings
from twosome import checkpoint_folder
from twosome.config.compose import compose
from twosome.errors import EnvironmentFault
from twosome.rollout.checked_env import World
from twosome.rollout.collect import Worlds, collect
from twosome.rollout.driver import Tolerance
from twosome.systems.baselines.random import RandomPolicy
from twosome.training.loop import train
from twosome.training.run_folder import open_run

KINDS = {"an environment of its own": lambda: settings(Oracle), "an agent": agent}


@pytest.fixture(params=list(KINDS))
def env(request):
    return KINDS[request.param]()


def asking(world):
    """The position of the action that asks outside."""
    [k] = [k for k, phrase in enumerate(world.menu.phrases) if phrase.startswith("ask")]
    return k


def play(world):
    """Ask three times, and act in between. Returns what was asked."""
    for k in (asking(world), 0, asking(world), 1, asking(world)):
        world.step(k)
    return list(world.events)


def through_a_file(state):
    return json.loads(json.dumps(state))


def test_events_are_kept_with_the_episode(env):
    world = begun(env)
    told = play(world)
    assert len(told) == 3
    assert len({json.dumps(event) for event in told}) == 3
    assert world.state_dict()["events"] == told
    assert through_a_file(world.state_dict()) == world.state_dict()
    world.reset()
    assert world.events == world.state_dict()["events"] == []


def test_handed_back_they_replay_the_episode_exactly(env):
    """The same decision, menu, observation and counts; and nobody was asked."""
    world = begun(env)
    play(world)
    asked = next(OUTSIDE)
    again = World(env, RandomPolicy(), 0, 0)
    again.load_state_dict(through_a_file(world.state_dict()))
    assert next(OUTSIDE) == asked + 1
    assert again.state_dict() == world.state_dict()
    assert (again.decision, again.menu, again.snapshot().lines) == (world.decision, world.menu, world.snapshot().lines)
    assert (again.discounted_return, again.length) == (world.discounted_return, world.length)
    again.step(asking(again))  # the episode goes on: now somebody is asked
    assert next(OUTSIDE) == asked + 3
    assert again.events[:3] == world.events
    assert again.state != world.state


@pytest.mark.parametrize("wrong", [lambda events: [], lambda events: events[:1], lambda events: events[::-1]])
def test_without_them_or_in_another_order_the_episode_is_another(env, wrong):
    """The wrong variants: actions alone, too few events, the last first."""
    world = begun(env)
    events = play(world)
    with pytest.raises(EnvironmentFault, match="is not reproducible"):
        World(env, RandomPolicy(), 0, 0).load_state_dict(world.state_dict() | {"events": wrong(events)})


def test_worlds_of_a_rollout_come_back_with_them(env, caplog):
    worlds = Worlds(env, RandomPolicy(), 3, 3)
    collect(worlds, 7, torch.Generator().manual_seed(0))
    assert any(world.events for world in worlds.worlds)
    again = Worlds(env, RandomPolicy(), 3, 3)
    asked = next(OUTSIDE)
    with caplog.at_level(logging.WARNING):
        again.load_state_dict(through_a_file(worlds.state_dict()))
    assert next(OUTSIDE) == asked + 1
    assert "dropped" not in caplog.text
    assert again.state_dict() == worlds.state_dict()
    for world in worlds.worlds:
        world.events = []
    with caplog.at_level(logging.WARNING):
        again.load_state_dict(through_a_file(worlds.state_dict()))
    assert "An episode is dropped" in caplog.text


class Counter:
    """Somebody outside who counts the questions: an answer that is asked for again is another one."""

    def __init__(self):
        self.last = 0

    def __next__(self):
        self.last += 1
        return self.last


def test_a_stopped_run_asks_nobody_again(tmp_path):
    """The whole of it, through a checkpoint: a run that was stopped ends in the bits of one that was not."""
    settings(Oracle)  # registers it
    common = ["method=mlp", "env=own", f"env.id={IDS[Oracle]}", "experiment=debug", "log.eval_interval=0"]
    common += ["log.checkpoint_interval=1", "log.keep_checkpoints=9", "log.eval_episodes_final=1", "total_steps=256"]
    common += ["log.tensorboard=false", "ppo.count_bonus=0.1"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(example_worlds, "OUTSIDE", Counter())
        train(open_run(compose([*common, f"run_dir={tmp_path / 'whole'}"])))
        outside = Counter()
        patch.setattr(example_worlds, "OUTSIDE", outside)
        save = checkpoint_folder.save

        def save_and_stop(folder, write):
            save(folder, write)
            if folder.name == "step-00000128":
                raise KeyboardInterrupt

        patch.setattr(checkpoint_folder, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train(open_run(compose([*common, f"run_dir={tmp_path / 'stopped'}"])))
        patch.setattr(checkpoint_folder, "save", save)
        asked = outside.last
        train(open_run(compose([*common, f"run_dir={tmp_path / 'stopped'}"])))
        assert outside.last > asked > 0
    states = [tmp_path / name / "checkpoints" / "step-00000256" for name in ("whole", "stopped")]
    held = json.loads((states[0] / "state.json").read_text())["worlds"]["worlds"]
    assert any(world["events"] for world in held)
    for path in sorted(states[0].rglob("*.safetensors")):
        assert path.read_bytes() == (states[1] / path.relative_to(states[0])).read_bytes()


# Sealed ---------------------------------------------------------------------------------------------------------------


def test_a_sealed_world_refuses_to_ask_and_an_open_one_does_not():
    world = begun(agent())
    inner = world.env.unwrapped
    assert world.sealed is inner.sealed is False
    world.sealed = True
    assert world.sealed is inner.sealed is True
    there, asked = world.snapshot(), next(OUTSIDE)
    with pytest.raises(EnvironmentFault, match=r"raised SealedError: 'ask the adviser' asks outside"):
        world.step(asking(world))
    world.restore(there)
    world.step(0)  # the world itself can be simulated
    world.restore(there)
    assert next(OUTSIDE) == asked + 1
    world.sealed = False
    world.step(asking(world))
    assert next(OUTSIDE) == asked + 3
    assert len(world.events) == 1


@pytest.mark.parametrize("wrap", [None, lambda env: TimeLimit(env, 50)])
def test_it_stays_sealed_whatever_happens_in_between(wrap):
    world = begun(agent(), wrap=wrap)
    world.sealed = True
    asked, there = next(OUTSIDE), world.snapshot()

    def another_instance():
        world.recreate()
        world.reset()

    def a_dropped_episode():
        Tolerance(1.0).drop(world, EnvironmentFault("It failed."))

    for happens in (world.reset, lambda: world.restore(there), another_instance, a_dropped_episode):
        happens()
        assert world.sealed
        with pytest.raises(EnvironmentFault, match="SealedError"):
            world.step(asking(world))
        world.reset()
    assert next(OUTSIDE) == asked + 1


def test_a_seal_on_the_wrapper_alone_would_be_none():
    """The wrong variant: an attribute of the outermost wrapper reaches nobody."""
    world = begun(agent())
    world.env.sealed = True
    assert not world.sealed
    world.step(asking(world))


def test_a_world_in_which_nobody_asks_cannot_be_sealed_and_need_not_be():
    world = begun(compose(["env=tomato_salad"]).env)
    world.sealed = True
    assert world.sealed is False
    world.step(0)
