"""Laws of a shortlist: the frozen model's k best of a first word, the same for ever, wherever a menu is met."""

import json
import shutil
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch
import zoo
from gymnasium.spaces import Box, Dict, Discrete, Text

import twosome
from twosome import checkpoint_folder
from twosome.agents.demonstrator import demonstrate
from twosome.agents.planning import Search
from twosome.agents.recall import Advice
from twosome.cli.play import _thought
from twosome.config.compose import compose, compose_command
from twosome.config.schema import EnvSettings
from twosome.errors import ConfigError, EnvironmentFault
from twosome.lm.adapter import adapter_off
from twosome.rollout.checked_env import World
from twosome.rollout.collect import Worlds, collect
from twosome.rollout.session import replay
from twosome.systems.baselines.random import RandomPolicy
from twosome.training.loop import train
from twosome.training.run_folder import open_run
from twosome.types import Decision, Menu

SHOWN = {"goal": "w20", "scene": "w21 w22"}
OPEN = tuple(f"w4 w{i} w{10 + i % 3}" for i in range(30, 42))
PHRASES = ("w5", *OPEN[:7], "w6 w30", "w6 w31", *OPEN[7:])
MENU = Menu(PHRASES, tuple(range(100, 100 + len(PHRASES))))
ID = "tests/Doors-v0"
LENGTH = 7


class Doors(gymnasium.Env):
    """Twelve words to say at every step, one of which is worth something, or to wait. It cannot go back."""

    metadata = {"render_modes": []}  # noqa: RUF012
    words = ("red", "green", "blue", "white", "black", "yellow", "brown", "grey", "pink", "orange", "purple", "silver")
    action_space = Discrete(len(words) + 1)
    observation_space = Dict(scene=Text(99), goal=Text(99), vector=Box(0, 99, (1,)))
    shows = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.now, self.right = 0, int(self.np_random.integers(len(self.words)))
        return self._shown()

    def step(self, action):
        reward, self.now = float(action == self.right), self.now + 1
        self.right = (self.right + 5) % len(self.words)
        return self._shown()[0], reward, False, self.now >= LENGTH, self._shown()[1]

    def demonstrate(self, seed):
        return self.shows

    def _shown(self):
        scene = f"The lamp is {self.words[self.right]} at {self.now}."
        menu = (*(f"say {word}" for word in self.words), "wait")
        info = {"actions": menu, "duration": 1, "success": False}
        return {"scene": scene, "goal": "Say the colour.", "vector": np.zeros(1, np.float32)}, info


class Rooms(Doors):
    """The same, and it can go back."""

    def snapshot(self):
        return self.now, self.right

    def restore(self, snapshot):
        self.now, self.right = snapshot
        return self._shown()


@pytest.fixture(autouse=True, scope="module")
def env():
    if ID not in gymnasium.registry:
        gymnasium.register(ID, entry_point=Doors)
    return EnvSettings(id=ID, kwargs={}, gamma=0.9, optimum=None)


@pytest.fixture(scope="module")
def untrained_3():
    return twosome.load("tiny", overrides=["policy.shortlist=3"])


def frozen_best(made, menu, k):
    """The phrases of OPEN that the frozen model finds best, by scoring all of them."""
    state = made.prompter.plain(SHOWN)
    with adapter_off(made.lm):
        [row] = made.log_probs([Decision.plain(state, OPEN)])
    best = {OPEN[i] for i in row.topk(k).indices.tolist()}
    return [phrase for phrase in menu.phrases if phrase in best or phrase not in OPEN]


def test_the_best_of_a_first_word_are_on_offer_and_all_others_untouched():
    made = zoo.policy(shortlist=6)  # twice as wide a beam holds all twelve
    found = made.shortlist(SHOWN, MENU)
    assert list(found.phrases) == frozen_best(made, MENU, 6)
    assert all(MENU.indices[MENU.phrases.index(p)] == i for p, i in zip(*found, strict=True)), "with their indices"
    assert len(found.phrases) == 6 + 3


def test_it_depends_on_the_frozen_model_and_the_plain_state_alone():
    made = zoo.policy(shortlist=6)
    first = made.shortlist(SHOWN, MENU)
    zoo.shake(made.lm, scale=0.5)
    made.remind(lambda observation, menu: Advice("w9 w9 w9 w9\n", (0.0,) * len(menu.phrases)))
    made._shortlist._kept.clear()
    assert made.shortlist(SHOWN, MENU) == first
    learnt = made.log_probs([Decision.plain(made.prompter.plain(SHOWN), OPEN)])[0].topk(6).indices
    assert {OPEN[i] for i in learnt.tolist()} != set(first.phrases) & set(OPEN), "the adapter would choose otherwise"


@pytest.mark.parametrize("k", [None, 12, 30])
def test_a_menu_that_needs_none_is_left_as_it_is(k):
    made = zoo.policy(shortlist=k)
    before = made.counts["passes"]
    assert made.shortlist(SHOWN, MENU) is MENU
    assert made.counts["passes"] == before


@pytest.mark.parametrize("reuse", [zoo.ALL, ()])
def test_it_is_computed_once_for_a_state_and_its_menu(reuse):
    made = zoo.policy(shortlist=3, reuse=reuse)
    first = made.shortlist(SHOWN, MENU)
    passes = made.counts["passes"]
    assert made.shortlist(SHOWN, MENU) == first
    assert (made.counts["passes"] == passes) == bool(reuse)
    others = ({**SHOWN, "scene": "w21 w23"}, MENU), (SHOWN, Menu(PHRASES[:-1], MENU.indices[:-1]))
    for other in others:
        passes = made.counts["passes"]
        made.shortlist(*other)
        assert made.counts["passes"] > passes, "another state and another menu are others"


# Where a menu is met --------------------------------------------------------------------------------------------------


def test_a_world_is_played_with_its_own_indices(env, untrained_3, tmp_path):
    world = World(env, untrained_3, 0, 0)
    world.reset()
    for _ in range(3):
        assert len(world.menu.phrases) == len(world.decision.menu) == 3 + 1
        for position, index in enumerate(world.menu.indices):
            assert world.info["actions"][index] == world.menu.phrases[position]
        world.step(1)
    twin = World(env, untrained_3, 0, 0)
    twin.load_state_dict(world.state_dict())
    assert (twin.menu, twin.decision) == (world.menu, world.decision)
    other = World(env, RandomPolicy(), 0, 0)
    other.reset()
    assert len(other.menu.phrases) == 13
    path = tmp_path / "fault.txt"
    path.write_text(world.fault("is only asked").transcript)
    assert replay(path, env) == 1  # its last line tells a fault
    lines = path.read_text().splitlines()
    assert sum("say silver" in line for line in lines) >= 3, "a transcript has the world's whole menu"


def test_acting_looking_playing_and_searching_choose_from_it(env, untrained_3):
    made = Rooms()
    observation, info = made.reset(seed=1)
    menu = untrained_3.shortlist(observation, Menu(info["actions"], tuple(range(13))))
    d = twosome.inspect_state(untrained_3, observation, info)
    assert d.actions == menu.phrases
    drawn = {untrained_3.act(observation, info, generator=torch.Generator().manual_seed(k)) for k in range(60)}
    assert drawn <= {*menu.indices}
    assert untrained_3.act(observation, info) == menu.indices[int(d.probs.argmax())]
    plan = Search(untrained_3, simulations=16).plan(made, gamma=0.9)
    assert plan.actions == menu.phrases
    assert plan.index in menu.indices
    thought = _thought(compose_command(["checkpoint=tiny", "policy.shortlist=3", "env=own", f"env.id={ID}"], "play"))
    shares = thought(SimpleNamespace(**observation, menu=dict(enumerate(info["actions"]))))
    assert {i for i, share in enumerate(shares) if share} == {*menu.indices}
    assert [shares[i] for i in menu.indices] == pytest.approx(d.probs.tolist())


def test_the_menu_after_a_truncation_is_short_too(env, untrained_3):
    rollout = collect(Worlds(env, untrained_3, 0, 1), LENGTH, torch.Generator().manual_seed(0))
    assert rollout.truncated[-1, 0]
    assert {len(row[0]) for row in rollout.next_menus} == {4}


def test_what_is_demonstrated_beside_it_is_told_with_the_remedy(env, untrained_3, monkeypatch):
    world = World(env, untrained_3, 0, 0)
    world.reset()
    inside, outside = world.menu.indices[0], next(i for i in range(13) if i not in world.menu.indices)

    def shown(action):
        monkeypatch.setattr(Doors, "shows", action)
        return demonstrate([world], [world.decision], [torch.zeros(4)])[0]

    assert shown(inside).target.tolist() == [1.0, 0.0, 0.0, 0.0]
    fault = shown(outside)
    assert isinstance(fault, EnvironmentFault)
    assert f"demonstrated 'say {Doors.words[outside]}'" in str(fault)
    assert "raise policy.shortlist" in str(fault)
    assert "expected the index of a legal action" in str(shown(99))


def test_a_run_that_was_stopped_within_its_episodes_ends_in_the_same_bits(tmp_path):
    sizes = ["num_envs=2", "rollout_steps=16", "total_steps=48", "ppo.actor.minibatch=16", "ppo.critic.minibatch=16"]
    small = ["log.tensorboard=false", "log.eval_episodes_final=1", "log.checkpoint_interval=1", "log.eval_interval=0"]
    words = ["env=own", f"env.id={ID}", "policy.shortlist=3", "ppo.actor.warmup_updates=0", *sizes, *small]
    whole = tmp_path / "whole"
    train(open_run(compose([*words, f"run_dir={whole}"])))
    assert 16 % LENGTH, "every checkpoint is within an episode"
    stopped = tmp_path / "stopped"
    shutil.copytree(whole, stopped)
    (stopped / "summary.json").unlink()
    *_, last = checkpoint_folder.checkpoints(stopped)
    shutil.rmtree(last)
    train(open_run(compose([*words, f"run_dir={stopped}"])))
    names = sorted(path.relative_to(stopped) for path in last.rglob("*.safetensors"))
    assert names
    for name in names:
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()
    sizes = {len(json.loads(line)["menu"]) for line in (whole / "decisions.jsonl").read_text().splitlines()}
    assert sizes == {4}


# Settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["method=mlp"], "method=mlp has none: it does nothing there"),
        (["method=tabular"], "method=tabular has none: it does nothing there"),
        (["policy.prompt='{scene} {menu} Next:'"], r"Take \{menu\} out, or use policy\.shortlist=null"),
        (["policy.normalization=unconditional"], r"Use policy\.normalization=word, or policy\.shortlist=null"),
    ],
)
def test_where_it_cannot_work_it_is_refused(words, told):
    with pytest.raises(ConfigError, match=told):
        compose(["policy.shortlist=8", *words])
    assert compose([*words, "policy.shortlist=null"]).policy.shortlist is None
