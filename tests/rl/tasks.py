"""What the tests of learning share: a task that is learnt in seconds, and rollouts and critics made by hand."""

import copy
import functools
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Discrete, Text

from twosome.config.compose import compose
from twosome.config.schema import TrainSettings
from twosome.rollout.collect import Worlds, collect
from twosome.systems.build import build
from twosome.types import Decision, Rollout

COLOURS = ("red", "green", "blue", "white")
MENU = ("go left", "go right")


class Identity(gymnasium.Env):
    """Say the colour that the scene shows: one step, reward 1 if right. With one colour it is a bandit."""

    def __init__(self, colours=4):
        self.colours = colours
        self.action_space = Discrete(4)
        self.observation_space = Dict(scene=Text(200), goal=Text(200), vector=Box(0, 1, (4,), np.float32))

    def _answer(self):
        vector = np.eye(4, dtype=np.float32)[self.colour]
        scene, goal = f"The lamp is {COLOURS[self.colour]}.", "Say the colour of the lamp."
        menu = {"actions": tuple(f"say {c}" for c in COLOURS), "action_mask": np.ones(4, bool)}
        return {"scene": scene, "goal": goal, "vector": vector}, menu | {"duration": 1, "success": False}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.colour = int(self.np_random.integers(self.colours))
        return self._answer()

    def step(self, action):
        observation, info = self._answer()
        right = action == self.colour
        return observation, float(right), True, False, info | {"success": right}


gymnasium.register("TwosomeTest/Identity-v0", Identity)

SMALL = [
    "env=own",
    "env.id=TwosomeTest/Identity-v0",
    "env.optimum=1.0",
    "num_envs=8",
    "rollout_steps=8",
    "total_steps=4096",
]
SMALL += ["ppo.actor.minibatch=32", "ppo.critic.minibatch=32", "ppo.actor.warmup_updates=0"]


class Setup(NamedTuple):
    """A policy with its learner and its worlds, and the generator that orders what is random in learning."""

    cfg: TrainSettings
    policy: Any
    learner: Any
    worlds: Worlds
    generator: torch.Generator


@functools.cache
def _composed(*overrides):
    return compose([*SMALL, *overrides])


def setup(*overrides):
    """On the identity task, always from the same weights."""
    cfg = copy.deepcopy(_composed(*overrides))
    generator = torch.Generator().manual_seed(0)
    policy, learner, *_ = build(cfg, generator)
    return Setup(cfg, policy, learner, Worlds(cfg.env, policy, cfg.seed, cfg.num_envs), generator)


def play(made, seed=0):
    """A rollout of the policy."""
    return collect(made.worlds, made.cfg.rollout_steps, torch.Generator().manual_seed(seed))


def copied(parameters):
    return [p.detach().clone() for p in parameters]


def all_equal(some, others):
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


def rollout_to(next_states, is_real=None, steps=1, decisions=None):
    """A rollout whose worlds come to these states, one each, at every step; without reward or end."""
    zeros = torch.zeros(steps, len(next_states))
    no = zeros.bool()
    return Rollout(
        decisions=[decisions or [Decision.plain("start", MENU)] * len(next_states)] * steps,
        next_states=[list(next_states)] * steps,
        distributions=[[torch.zeros(len(MENU))] * len(next_states)] * steps,
        actions=zeros.long(),
        log_probs=zeros.clone(),
        rewards=zeros.clone(),
        discounts=zeros + 1,
        terminated=no.clone(),
        truncated=no.clone(),
        is_real=~no if is_real is None else torch.tensor([is_real]),
        episodes=[],
    )


class GivenValues:
    """Values of states, given; any other text is a `KeyError`."""

    def __init__(self, **values):
        self.known = values

    def values(self, states):
        return torch.tensor([self.known[s] for s in states])


class ByLength:
    """The least that a batch asks of a policy: the feature is a tenth of the text's length, the head doubles it."""

    value_head = staticmethod(lambda features: 2 * features[:, 0])

    def features(self, states):
        return torch.tensor([[len(s) / 10] for s in states])

    def values(self, states):
        return self.value_head(self.features(states))
