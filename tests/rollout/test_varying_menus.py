"""A world whose menu has as many actions as its state offers: no padding, in every place that reads a menu."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, Text

from twosome.agents.planning import Search
from twosome.cli import evaluate, play, train
from twosome.config.compose import compose
from twosome.config.schema import EnvSettings
from twosome.errors import EnvironmentFault
from twosome.report.record import record
from twosome.rollout.checked_env import World
from twosome.rollout.collect import Worlds, collect
from twosome.rollout.evaluate import evaluate as evaluated
from twosome.rollout.session import Session, replay
from twosome.systems.baselines.frozen import Affordance
from twosome.systems.baselines.random import RandomPolicy

ID = "tests/Corridor-v0"
LENGTH = 4


class Corridor(gymnasium.Env):
    """Room k has k + 1 doors and the last leads on; another leads back to the start. No mask: all doors are open."""

    metadata = {"render_modes": []}  # noqa: RUF012
    action_space = Discrete(LENGTH)
    observation_space = Dict(scene=Text(99), goal=Text(99), vector=Box(0, LENGTH, (1,)))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.room = 0
        return self._shown()

    def step(self, action):
        assert action <= self.room, "an index counts in the menu of its state"
        self.room = self.room + 1 if action == self.room else 0
        return *self._shown()[:1], float(self.room == LENGTH), self.room == LENGTH, False, self._shown()[1]

    def snapshot(self):
        return self.room

    def restore(self, snapshot):
        self.room = snapshot
        return self._shown()

    def _shown(self):
        doors = tuple(f"open door {k + 1}" for k in range(self.room + 1))
        shown = {
            "scene": f"You are in room {self.room}.",
            "goal": "Leave.",
            "vector": np.array([self.room], np.float32),
        }
        return shown, {"actions": doors, "duration": 1, "success": self.room == LENGTH}


@pytest.fixture(autouse=True, scope="module")
def env():
    if ID not in gymnasium.registry:
        gymnasium.register(ID, entry_point=Corridor, max_episode_steps=40)
    return EnvSettings(id=ID, kwargs={}, gamma=0.9, optimum=0.9**3)


def test_a_rollout_an_evaluation_and_a_report_follow_the_menus(env):
    worlds = Worlds(env, RandomPolicy(), 0, 2)
    rollout = collect(worlds, 40, torch.Generator().manual_seed(0))
    sizes = {len(d.menu) for row in rollout.decisions for d in row}
    assert sizes == {1, 2, 3, 4}
    assert all(
        rollout.actions[t, b] < len(d.menu) for t, row in enumerate(rollout.decisions) for b, d in enumerate(row)
    )
    assert evaluated(RandomPolicy(), env, 20, 0)["sampled"]["success_rate"] > 0
    [episode] = record(RandomPolicy(), env, 1, seed=0)
    assert {len(step.menu) for step in episode.steps} == {1, 2}, "the first of the menu is taken, and room 1 turns back"
    assert all(len(step.probs) == len(step.menu) for step in episode.steps)


def test_an_episode_is_brought_back(env):
    world, twin = (World(env, RandomPolicy(), 3, 0) for _ in range(2))
    world.reset()
    for position in (0, 1, 2):
        world.step(position)
    twin.load_state_dict(world.state_dict())
    assert twin.menu == world.menu
    assert len(twin.menu.phrases) == LENGTH
    twin.restore(world.snapshot())
    assert twin.decision == world.decision


def test_a_search_finds_the_way(env, untrained):
    made = gymnasium.make(ID).unwrapped
    made.reset(seed=0)
    for room in range(LENGTH):
        plan = Search(untrained, simulations=64).plan(made, gamma=env.gamma)
        assert len(plan.actions) == room + 1
        made.step(plan.index)
    assert made.room == LENGTH


def test_affordances_need_no_mask(env):
    wrapped = Affordance(gymnasium.make(ID).unwrapped)
    _, info = wrapped.reset(seed=0)
    assert info["action_mask"].tolist() == [True]


@pytest.mark.parametrize("method", ["twosome", "tabular", "mlp", "search"])
def test_every_method_trains(method, tmp_path):
    sizes = ["total_steps=128", "num_envs=4", "rollout_steps=16", "log.tensorboard=false", "log.eval_episodes_final=1"]
    small = ["ppo.actor.minibatch=32", "ppo.critic.minibatch=32", "ppo.actor.warmup_updates=0"]
    search = ["search.simulations=4"] if method == "search" else []
    run = tmp_path / "run"
    train.main([f"method={method}", "env=own", f"env.id={ID}", *sizes, *small, *search, f"run_dir={run}"])
    assert (run / "summary.json").is_file()
    if method == "twosome":
        evaluate.main([f"checkpoint={run}", "episodes=2", f"out={tmp_path}"])


def test_a_small_network_needs_an_action_space_as_large_as_the_longest_menu(env):
    """Else an index has no output: said, with the remedy."""
    from twosome.systems.build import build_mlp

    cfg = compose(["method=mlp", "env=own", f"env.id={ID}"])
    policy = build_mlp(cfg)
    world = World(env, policy, 0, 0)
    world.reset()
    policy.network[-1] = torch.nn.Linear(policy.network[-1].in_features, 1)
    policy.log_probs([world.decision])
    world.step(0)
    with pytest.raises(ValueError, match="as large as its longest menu"):
        policy.log_probs([world.decision])


def test_a_person_plays_it_and_it_plays_again(env, tmp_path, monkeypatch, capsys):
    answers = iter(["0", "u", "0", "1", "2", "3"])
    monkeypatch.setattr("rich.console.Console.input", lambda *_: next(answers, "q"))
    argv = ["env=own", f"env.id={ID}"]
    play.main([*argv, f"transcript={tmp_path / 'played.txt'}", "env.kwargs={max_episode_steps: -1}"])
    assert "Goal reached" in capsys.readouterr().out
    assert replay(tmp_path / "played.txt") == 0
    answers = iter(["0", "u", "1", "2", "3"])
    play.main(argv)  # with gymnasium's time limit around it, whose count would stay where it is
    out = capsys.readouterr().out
    assert "the wrapper TimeLimit around it has a state of its own" in out
    assert "Give max_episode_steps=-1" in out
    assert "Goal reached" in out
    assert Session(gymnasium.make(ID, disable_env_checker=True), env, 0).menu == {0: "open door 1"}


def test_an_agent_around_it_puts_its_own_actions_after_the_menu_of_the_state():
    from twosome_envs.agent import Agent
    from twosome_envs.base import Menu

    class Count:
        name, slots, cost, is_external = "count", 1, 0.0, False

        def menu(self, state):
            return Menu(("count the doors",), (True,))

        def run(self, slot, state):
            return "counted"

    agent = Agent(gymnasium.make(ID).unwrapped, [Count()], max_internal=9, gamma=0.9)
    _, info = agent.reset(seed=0)
    for room in range(LENGTH - 1):
        assert info["actions"] == (*(f"open door {k + 1}" for k in range(room + 1)), "count the doors")
        before = agent.snapshot()
        observation, *_, info = agent.step(room + 1)
        assert "counted" in observation["scene"]
        agent.restore(before)
        *_, info = agent.step(room)


def test_an_empty_menu_is_still_a_fault(env):
    class Shut(gymnasium.Wrapper):
        def reset(self, **kwargs):
            observation, info = self.env.reset(**kwargs)
            return observation, info | {"actions": ()}

    with pytest.raises(EnvironmentFault, match="expected a tuple with the phrase of every action"):
        World(env, RandomPolicy(), 0, 0, wrap=Shut).reset()
