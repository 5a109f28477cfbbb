"""Episodes with all that a person wants to see afterwards: scenes, probabilities, rewards, values, pictures."""

from __future__ import annotations

import dataclasses
import io
import logging
from collections.abc import Callable, Hashable
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image

from twosome.config.schema import EnvSettings
from twosome.errors import brief
from twosome.inspection.distribution import ActionDistribution
from twosome.inspection.recollection import Recollection
from twosome.protocols import Policy, Restorable
from twosome.rl.advantages import gae
from twosome.rollout.checked_env import World
from twosome.rollout.contract import Violation, close_env, make_env, told
from twosome.rollout.driver import Deliberation, Tolerance, drive
from twosome.types import Decision, Observation

log = logging.getLogger(__name__)

STREAM = 2_000_003  # keeps the seeds of recorded episodes apart from those of training and evaluation
COLORS = 64  # of a picture's palette: a drawing keeps its colours and takes a quarter of the bytes


@dataclass(frozen=True)
class Step:
    """One decision. `chosen`: position in the menu; `picture`: of the state, as PNG, or None.

    `probs`: of the policy; `search`: what a search made of them, None where none decided; `goal`: where it
    is another than the episode's; `words`: of every action its words with their log-probabilities, None of a policy
    that has no words; `memory`: what a memory recalled, and `without`: the probabilities without it, None where none
    was asked.
    """

    scene: str
    menu: tuple[str, ...]
    probs: tuple[float, ...]
    chosen: int
    reward: float
    duration: int
    value: float
    advantage: float
    picture: bytes | None
    search: tuple[float, ...] | None = None
    goal: str | None = None
    words: tuple[tuple[tuple[str, float], ...], ...] | None = None
    memory: Recollection | None = None
    without: tuple[float, ...] | None = None

    @property
    def entropy(self) -> float:
        """In nats."""
        p = np.array(self.probs)
        return float(-(p * np.log(np.where(p > 0, p, 1.0))).sum())


@dataclass
class Recording:
    """An episode. `legend`: what its pictures mean, if the environment says so; `last_*`: after its last action."""

    goal: str
    greedy: bool
    success: bool = False
    truncated: bool = False
    discounted_return: float = 0.0
    length: int = 0
    steps: list[Step] = field(default_factory=list)
    last_goal: str | None = None
    legend: str = ""
    last_scene: str = ""
    last_picture: bytes | None = None


def record(
    policy: Policy,
    env: EnvSettings,
    episodes: int = 5,
    *,
    seed: int = 0,
    gae_lambda: float = 0.95,
    max_steps: int = 500,
    deliberate: Deliberation | None = None,
) -> list[Recording]:
    """Play episodes and keep what happened: the first takes the most probable actions, the others sample.

    `advantage` is the generalised advantage estimate of the recorded episode. An episode is cut after `max_steps`
    decisions.
    """
    world = World(with_pictures(env), policy, seed + STREAM, 0)
    camera = Camera(world)
    reader = Reader(policy)
    generator = torch.Generator().manual_seed(seed)
    with closing(world):
        return [
            _play(policy, world, (camera, reader), None if k == 0 else generator, gae_lambda, max_steps, deliberate)
            for k in range(episodes)
        ]


def _play(
    policy: Policy,
    world: World,
    watched: tuple[Camera, Reader],
    generator: torch.Generator | None,
    gae_lambda: float,
    max_steps: int,
    deliberate: Deliberation | None,
) -> Recording:
    world.reset()
    camera, reader = watched
    legend = brief(world.env.metadata.get("legend", ""), 200)
    result = Recording(goal=world.observation["goal"], greedy=generator is None, legend=legend)
    states, discounts, terminated = [world.state], [], False
    while len(result.steps) < max_steps:
        seen, picture = world.observation, camera.take()
        read = reader.read(world.decision, seen)
        [own] = policy.log_probs([world.decision])
        [transition] = drive([world], policy, generator, Tolerance(), deliberate)
        step = transition.step
        assert step is not None  # without tolerance a fault is raised
        terminated = step.terminated
        probs = tuple(own.double().exp().tolist())
        search = None if transition.target is None else tuple(transition.target.tolist())
        menu, chosen = transition.decision.menu, transition.action
        goal = None if seen["goal"] == result.goal else seen["goal"]
        played = seen["scene"], menu, probs, chosen, step.reward, step.duration
        result.steps.append(Step(*played, 0.0, 0.0, picture, search, goal, *read))
        states.append(step.state)
        discounts.append(world.settings.gamma**step.duration)
        if step.episode is not None:
            result.success, result.discounted_return = step.episode.success, step.episode.discounted_return
            result.length, result.truncated = step.episode.length, step.truncated
            break
    else:
        result.truncated, result.discounted_return, result.length = True, world.discounted_return, world.length
    result.last_goal, result.last_scene = world.observation["goal"], world.observation["scene"]
    result.last_picture = camera.take()
    _add_values(result, policy.values(states), discounts, terminated, gae_lambda)
    return result


def _add_values(
    result: Recording, values: torch.Tensor, discounts: list[float], terminated: bool, gae_lambda: float
) -> None:
    """Fill in values and advantages, which are known only when the episode is over."""
    n = len(result.steps)
    ends = torch.zeros(n, 1, dtype=torch.bool)
    is_terminated, is_truncated = ends.clone(), ends.clone()
    is_terminated[-1], is_truncated[-1] = terminated, not terminated
    rewards, scale = torch.tensor([[s.reward] for s in result.steps]), torch.tensor(discounts)[:, None]
    advantages, _ = gae(rewards, values[:-1, None], values[1:, None], scale, is_terminated, is_truncated, gae_lambda)
    result.steps = [
        replace(s, value=float(v), advantage=float(a))
        for s, v, a in zip(result.steps, values[:-1], advantages[:, 0], strict=True)
    ]


@runtime_checkable
class Inspected(Protocol):
    """A policy that can take a decision apart."""

    def inspect_decision(self, decision: Decision, *, recall: Observation | None = None) -> ActionDistribution:
        """The distribution over its menu, with the log-probability of every word; `recall`: its state."""
        ...


class Read(NamedTuple):
    """What is seen of a decision when it is taken apart: the last parts of a `Step`."""

    words: tuple[tuple[tuple[str, float], ...], ...] | None = None
    memory: Recollection | None = None
    without: tuple[float, ...] | None = None


class Reader:
    """Decisions taken apart, each of them once."""

    def __init__(self, policy: Policy):
        self.policy = policy
        self.known: dict[Hashable, Read] = {}

    def read(self, decision: Decision, observation: Observation) -> Read:
        """Its words, and what a memory made of it; nothing of a policy that has no words."""
        if not isinstance(self.policy, Inspected):
            return Read()
        if decision.asked not in self.known:
            taken = self.policy.inspect_decision(decision, recall=observation)
            words = tuple(tuple((w.word, w.log_prob) for w in words) for words in taken.words)
            without = None if taken.without is None else tuple(taken.without.probs.tolist())
            self.known[decision.asked] = Read(words, taken.recollection, without)
        return self.known[decision.asked]


def with_pictures(env: EnvSettings) -> EnvSettings:
    """The same environment drawing itself, where it can."""
    trial = make_env(env)
    can_draw = "rgb_array" in (trial.metadata.get("render_modes") or ())
    close_env(trial, env.step_timeout)
    return dataclasses.replace(env, kwargs={**env.kwargs, "render_mode": "rgb_array"}) if can_draw else env


@runtime_checkable
class Drawn(Restorable, Protocol):
    """An environment that draws a state without its caption."""

    def picture(self) -> np.ndarray:
        """The present state as uint8 [height, width, 3]."""
        ...


class Camera:
    """Pictures of a world as small PNGs. What was drawn or encoded once is looked up."""

    def __init__(self, world: World):
        self.env, self.settings = world.env, world.settings
        self.works = world.env.render_mode == "rgb_array"
        self.drawn: dict[Any, bytes] = {}

    def take(self) -> bytes | None:
        """The present state, without the environment's caption where it offers that; None if it fails."""
        try:
            with told(" when it was to draw itself", seconds=self.settings.step_timeout):
                return self._draw() if self.works else None
        except Violation as violation:  # the episode is worth seeing without
            log.warning("%s draws no pictures: it %s.", self.settings.id, violation)
            self.works = False
            return None

    def _draw(self) -> bytes:
        inner: Any = self.env.unwrapped
        if isinstance(inner, Drawn):
            key: Any = inner.snapshot()
            return self._once(key.state, inner.picture)
        return self._once(None, self.env.render)

    def _once(self, state: Hashable, draw: Callable[[], Any]) -> bytes:
        if state is None or state not in self.drawn:
            out = io.BytesIO()
            Image.fromarray(np.asarray(draw(), np.uint8)).quantize(COLORS, Image.Quantize.FASTOCTREE).save(
                out, "png", optimize=True
            )
            self.drawn[state] = out.getvalue()
        return self.drawn[state]
