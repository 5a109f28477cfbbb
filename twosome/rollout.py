"""Environments x policy -> Rollout [T, B]. Environments are guests: what they return is checked where it enters.

A plain list of environments is stepped: texts and menus do not stack, and gymnasium's autoreset would insert a step whose
action is ignored.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import torch

from twosome.prompts import numbers_of, prompt_of
from twosome.types import ConfigError, Decision, EnvironmentFault, Episode, Policy, Rollout

if TYPE_CHECKING:
    from twosome.config import EnvSettings


def make_env(settings: EnvSettings, **kwargs: Any) -> gymnasium.Env:
    """Make an environment from `conf/env`. Raises `ConfigError` for an unknown id or arguments it does not take."""
    try:
        return gymnasium.make(settings.id, disable_env_checker=True, **{**dict(settings.kwargs), **kwargs})
    except ImportError as error:
        raise ConfigError(f"env.id={settings.id!r} cannot be imported: {error}") from error
    except (gymnasium.error.Error, TypeError, ValueError, KeyError) as error:
        raise ConfigError(f"env.id={settings.id!r} with env.kwargs={dict(settings.kwargs)} cannot be made: {error}") from error


class World:
    """One environment and its present decision. Every episode can be replayed from its seed and its actions.

    `settings`: the environment's; `template`: of the prompt; `seed`, `index`: the run's seed and which world this is; `view`:
    what the policy reads, `text` (prompt and phrases) or `numbers` (the observation's `vector` and action indices, as text too).
    """

    def __init__(self, settings: EnvSettings, template: str, seed: int, index: int, view: str = "text", wrap: Any = None):
        env = make_env(settings)
        self.env = env if wrap is None else wrap(env)
        self.settings, self.template, self.view = settings, template, view
        self.seed, self.index, self.episode, self.actions = seed, index, -1, []  # type: tuple[int, int, int, list[int]]
        self.n_actions: int | None = None

    def reset(self) -> None:
        """Begin the next episode, with a seed of its own."""
        self.episode += 1
        self._begin()

    def _begin(self) -> None:
        self.actions, self.rewards, self.steps, self.n_actions = [], 0.0, 0, None
        seed = int(np.random.SeedSequence([self.seed, self.index, self.episode]).generate_state(1)[0])
        try:
            observation, info = self.env.reset(seed=seed)
        except Exception as error:  # a guest may raise anything; it is reported, with its replay
            raise self._fault(f"raised {type(error).__name__} in reset: {error}") from error
        self._receive(observation, info)

    def step(self, position: int) -> tuple[float, int, bool, bool, str, Episode | None]:
        """Take the action at this position of the menu: reward, duration, terminated, truncated, next prompt, episode if over."""
        action = self.legal[position]
        self.actions.append(action)
        try:
            observation, reward, terminated, truncated, info = self.env.step(action)
        except Exception as error:  # a guest may raise anything; it is reported, with its replay
            raise self._fault(f"raised {type(error).__name__}: {error}") from error
        if not isinstance(reward, (int, float, np.integer, np.floating)) or not math.isfinite(reward):
            raise self._fault(f"gave the reward {reward!r}, expected a finite number")
        duration = info.get("duration", 1)
        if not isinstance(duration, (int, np.integer)) or duration < 1:
            raise self._fault(f"gave info['duration']={duration!r}, expected a whole number of 1 or more")
        self.rewards += self.settings.gamma**self.steps * float(reward)
        self.steps += int(duration)
        over = bool(terminated or truncated)
        self._receive(observation, info, needs_menu=not over)
        episode = None
        if over:
            summary = info.get("episode", {"r": self.rewards, "l": self.steps})
            success = bool(info.get("success", terminated))
            episode = Episode(float(summary["r"]), int(summary["l"]), len(self.actions), success)
        return float(reward), int(duration), bool(terminated), bool(truncated and not terminated), self.prompt, episode

    def _receive(self, observation: Any, info: Any, needs_menu: bool = True) -> None:
        """Check what the guest returned and turn it into the next decision."""
        if not isinstance(observation, dict) or not isinstance(observation.get("scene"), str) or not isinstance(observation.get("goal"), str):
            raise self._fault("gave an observation without text: expected a dict with str `scene` and `goal`")
        self.observation, self.info = observation, info
        self.prompt = prompt_of(observation, self.template) if self.view == "text" else numbers_of(observation)
        if not needs_menu:
            return
        actions, mask = info.get("actions"), info.get("action_mask")
        if not isinstance(actions, (tuple, list)) or not actions:
            raise self._fault(f"gave info['actions']={actions!r}, expected a tuple with the phrase of every action")
        if self.n_actions not in (None, len(actions)):
            raise self._fault(f"gave {len(actions)} actions after {self.n_actions}; their number must not change in an episode")
        self.n_actions = len(actions)
        if mask is None:
            mask = np.ones(len(actions), bool)
        if len(mask) != len(actions):
            raise self._fault(f"gave {len(mask)} entries in info['action_mask'] for {len(actions)} actions")
        self.legal = [i for i, is_legal in enumerate(mask) if is_legal]
        menu = tuple(actions[i] for i in self.legal)
        if not menu:
            raise self._fault("gave an empty menu: info['action_mask'] allows no action, expected at least one")
        wrong = next((a for a in menu if not isinstance(a, str) or not a.strip()), None)
        if wrong is not None or len({" ".join(a.split()) for a in menu}) < len(menu):
            raise self._fault(f"gave the menu {menu!r}, expected distinct, non-empty phrases")
        self.decision = Decision(self.prompt, menu if self.view == "text" else tuple(map(str, self.legal)))

    def _fault(self, what: str) -> EnvironmentFault:
        return EnvironmentFault(
            f"Environment {self.settings.id} {what}. It happened at step {len(self.actions)} of episode {self.episode} of world "
            f"{self.index} (run seed {self.seed}); the actions that led there: {self.actions}."
        )

    def state(self) -> dict[str, Any]:
        """What `restore` needs: the episode's number, its actions so far and the scene they led to."""
        return {"episode": self.episode, "actions": list(self.actions), "prompt": self.prompt}

    def restore(self, state: dict[str, Any]) -> None:
        """Replay an episode up to where it was. Raises `EnvironmentFault` if it leads elsewhere."""
        self.episode = state["episode"]
        self._begin()
        for action in state["actions"]:
            self.step(self.legal.index(action))
        if self.prompt != state["prompt"]:
            raise self._fault(f"is not reproducible: replaying the episode led to {self.prompt!r}, before it was {state['prompt']!r}")


class Worlds:
    """B worlds stepped together; `failed` counts the episodes that a fault of the environment ended."""

    def __init__(self, settings: EnvSettings, template: str, seed: int, n: int, max_failed: float = 0.0, view: str = "text"):
        self.worlds = [World(settings, template, seed, b, view) for b in range(n)]
        self.max_failed, self.failed, self.finished = max_failed, 0, 0
        self.faults: list[str] = []
        for world in self.worlds:
            world.reset()

    def tolerate(self, world: World, fault: EnvironmentFault) -> None:
        """Drop the episode and begin the next, unless more than the allowed share of episodes has failed."""
        self.failed += 1
        self.faults.append(str(fault))
        allowed = max(self.max_failed * (self.finished + self.failed), float(self.max_failed > 0))
        if self.failed > allowed:
            raise fault
        world.reset()

    def state(self) -> dict[str, Any]:
        return {"worlds": [w.state() for w in self.worlds], "failed": self.failed, "finished": self.finished}

    def restore(self, state: dict[str, Any]) -> None:
        for world, saved in zip(self.worlds, state["worlds"], strict=True):
            world.restore(saved)
        self.failed, self.finished = state["failed"], state["finished"]


def choose(log_probs: list[torch.Tensor], generator: torch.Generator | None) -> list[int]:
    """A position of every menu: sampled, or the most probable (the first of equals) without a generator."""
    if generator is None:
        return [int(row.argmax()) for row in log_probs]
    return [int(torch.multinomial(row.exp(), 1, generator=generator)) for row in log_probs]


def collect(worlds: Worlds, policy: Policy, steps: int, gamma: float, generator: torch.Generator) -> Rollout:
    """Let the policy act for `steps` decisions in every world; episodes that end are followed by the next."""
    n = len(worlds.worlds)
    numbers = {name: torch.zeros(steps, n) for name in ("log_probs", "rewards", "discounts")}
    flags = {name: torch.zeros(steps, n, dtype=torch.bool) for name in ("terminated", "truncated", "is_real")}
    actions = torch.zeros(steps, n, dtype=torch.long)
    decisions: list[list[Decision]] = []
    next_prompts: list[list[str]] = []
    episodes: list[Episode] = []
    for t in range(steps):
        asked = [w.decision for w in worlds.worlds]
        log_probs = policy.log_probs(asked)
        chosen = choose(log_probs, generator)
        after = []
        for b, (world, position) in enumerate(zip(worlds.worlds, chosen, strict=True)):
            actions[t, b] = position
            numbers["log_probs"][t, b] = log_probs[b][position]
            try:
                reward, duration, terminated, truncated, prompt, episode = world.step(position)
            except EnvironmentFault as fault:
                worlds.tolerate(world, fault)
                flags["truncated"][t, b] = True  # nothing leaks over the dropped step; is_real stays False
                after.append(asked[b].prompt)
                continue
            flags["is_real"][t, b] = True
            numbers["rewards"][t, b], numbers["discounts"][t, b] = reward, gamma**duration
            flags["terminated"][t, b], flags["truncated"][t, b] = terminated, truncated
            after.append(prompt)
            if episode is not None:
                episodes.append(episode)
                worlds.finished += 1
                _restart(worlds, world)
        decisions.append(asked)
        next_prompts.append(after)
    return Rollout(decisions=decisions, next_prompts=next_prompts, actions=actions, episodes=episodes, **numbers, **flags)


def _restart(worlds: Worlds, world: World) -> None:
    try:
        world.reset()
    except EnvironmentFault as fault:
        worlds.tolerate(world, fault)
