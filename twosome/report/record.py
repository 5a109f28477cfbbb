"""Episodes with all that a person wants to see afterwards: what was shown, thought, done and gained."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from twosome.types import Policy

if TYPE_CHECKING:
    import torch

    from twosome.config import EnvSettings
    from twosome.world import World

log = logging.getLogger(__name__)

STREAM = 2_000_003  # keeps the seeds of recorded episodes apart from those of training and evaluation
COLORS = 64  # of a picture's palette: a drawing loses nothing and takes a quarter of the room


@dataclass(frozen=True)
class Step:
    """One decision. `chosen`: position in the menu; `picture`: of the state, as PNG, or None."""

    scene: str
    menu: tuple[str, ...]
    probs: tuple[float, ...]
    chosen: int
    reward: float
    duration: int
    value: float
    advantage: float
    picture: bytes | None

    @property
    def entropy(self) -> float:
        """In nats."""
        p = np.array(self.probs)
        return float(-(p * np.log(np.where(p > 0, p, 1.0))).sum())


@dataclass
class Recording:
    """An episode. `last_*`: the state after its last action."""

    goal: str
    greedy: bool
    success: bool = False
    truncated: bool = False
    discounted_return: float = 0.0
    length: int = 0
    steps: list[Step] = field(default_factory=list)
    last_scene: str = ""
    last_picture: bytes | None = None


def record(
    policy: Policy,
    env: EnvSettings,
    template: str,
    episodes: int = 5,
    *,
    seed: int = 0,
    gae_lambda: float = 0.95,
    max_steps: int = 500,
) -> list[Recording]:
    """Play episodes and keep what happened: the first takes the most probable actions, the others sample.

    `advantage` is the generalised advantage estimate (`twosome.returns.gae`) of the recorded episode. An episode is
    cut after `max_steps` decisions.
    """
    import torch

    from twosome.world import World

    world = World(with_pictures(env), template, seed + STREAM, 0)
    camera = Camera(world)
    generator = torch.Generator().manual_seed(seed)
    recordings = [
        _play(policy, world, camera, None if k == 0 else generator, gae_lambda, max_steps)
        for k in range(episodes)
    ]
    world.env.close()
    return recordings


def _play(
    policy: Policy,
    world: World,
    camera: Camera,
    generator: torch.Generator | None,
    gae_lambda: float,
    max_steps: int,
) -> Recording:
    from twosome.rollout import choose

    world.reset()
    result = Recording(goal=world.observation["goal"], greedy=generator is None)
    prompts, discounts, terminated = [world.prompt], [], False
    for _ in range(max_steps):
        decision, scene = world.decision, world.observation["scene"]
        picture = camera.take()
        [log_probs] = policy.log_probs([decision])
        [chosen] = choose([log_probs], generator)
        reward, duration, terminated, truncated, prompt, episode = world.step(chosen)
        probs = tuple(log_probs.double().exp().tolist())
        result.steps.append(Step(scene, decision.menu, probs, chosen, reward, duration, 0.0, 0.0, picture))
        prompts.append(prompt)
        discounts.append(world.settings.gamma**duration)
        if episode is not None:
            result.success, result.discounted_return = episode.success, episode.discounted_return
            result.length, result.truncated = episode.length, truncated
            break
    else:
        result.truncated, result.discounted_return, result.length = True, world.rewards, world.steps
    result.last_scene = world.observation["scene"]
    result.last_picture = camera.take()
    _judge(result, policy.values(prompts), discounts, terminated, gae_lambda)
    return result


def _judge(
    result: Recording, values: torch.Tensor, discounts: list[float], terminated: bool, gae_lambda: float
) -> None:
    """Fill in values and advantages, which are known only when the episode is over."""
    import torch

    from twosome.returns import gae

    n = len(result.steps)
    ends = torch.zeros(n, 1, dtype=torch.bool)
    died, cut = ends.clone(), ends.clone()
    died[-1], cut[-1] = terminated, not terminated
    rewards = torch.tensor([[s.reward] for s in result.steps])
    scale = torch.tensor(discounts)[:, None]
    advantages, _ = gae(rewards, values[:-1, None], values[1:, None], scale, died, cut, gae_lambda)
    result.steps = [
        replace(s, value=float(v), advantage=float(a))
        for s, v, a in zip(result.steps, values[:-1], advantages[:, 0], strict=True)
    ]


def with_pictures(env: EnvSettings) -> EnvSettings:
    """The same environment drawing itself, where it can."""
    from omegaconf import OmegaConf

    from twosome.world import make_env

    plain: Any = OmegaConf.to_container(env) if OmegaConf.is_config(env) else vars(env).copy()
    probe = make_env(OmegaConf.create(plain))
    if "rgb_array" in (probe.metadata.get("render_modes") or ()):
        plain["kwargs"] = {**plain["kwargs"], "render_mode": "rgb_array"}
    probe.close()
    drawn: Any = OmegaConf.create(plain)
    return drawn


class Camera:
    """Pictures of a world as small PNGs. What was drawn or encoded once is looked up."""

    def __init__(self, world: World):
        self.env = world.env
        self.works = world.env.render_mode == "rgb_array"
        self.drawn: dict[Any, bytes] = {}

    def take(self) -> bytes | None:
        """The present state, without the environment's caption where it offers that; None if it fails."""
        try:
            return self._draw() if self.works else None
        except Exception as error:  # a guest may raise anything; the episode is worth seeing without pictures
            log.warning("%s draws no pictures: %s: %s", self.env, type(error).__name__, error)
            self.works = False
            return None

    def _draw(self) -> bytes:
        inner: Any = self.env.unwrapped
        if hasattr(inner, "picture") and hasattr(inner, "snapshot"):
            return self._once(inner.snapshot().state, inner.picture)
        return self._once(None, self.env.render)

    def _once(self, state: Any, draw: Any) -> bytes:
        from PIL import Image

        if state is None or state not in self.drawn:
            out = io.BytesIO()
            Image.fromarray(np.asarray(draw(), np.uint8)).quantize(COLORS).save(out, "png", optimize=True)
            self.drawn[state] = out.getvalue()
        return self.drawn[state]
