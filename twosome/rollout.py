"""Environments x policy -> Rollout [T, B].

A plain list of environments is stepped: texts and menus do not stack, and gymnasium's autoreset would insert a step whose
action is ignored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from twosome.types import Decision, EnvironmentFault, Episode, NumericsError, Policy, Rollout
from twosome.world import World, make_env

if TYPE_CHECKING:
    from twosome.config import EnvSettings

__all__ = ["Tolerance", "World", "Worlds", "choose", "collect", "make_env"]

log = logging.getLogger(__name__)

FEWEST = 20  # episodes over which the share of failures is judged at least
MOST_RESETS = 10  # in a row that may fail before even a tolerant run gives up


class Tolerance:
    """How many episodes a faulty environment may spoil. `failed` counts them, `finished` the others.

    `share`: of all episodes, of 20 at least, that may fail; one is forgiven at any share above 0. `keep`: is given every fault to
    keep its transcript, and answers where it lies.
    """

    def __init__(self, share: float = 0.0, keep: Callable[[EnvironmentFault], str] | None = None):
        self.share, self.keep, self.failed, self.finished = share, keep, 0, 0

    def forgive(self, world: World, fault: EnvironmentFault) -> None:
        """Drop the episode and begin the next. Raises the fault when more than the allowed share of episodes has failed."""
        for _ in range(MOST_RESETS):
            self.failed += 1
            kept = "" if self.keep is None else self.keep(fault)
            if self.failed > max(self.share * max(self.finished + self.failed, FEWEST), float(self.share > 0)):
                raise EnvironmentFault(
                    f"{fault}{kept} {self.failed} of {self.finished + self.failed} episodes failed; log.max_failed_episodes={self.share} "
                    "is the share that may be dropped."
                ) from fault
            log.warning("An episode is dropped: %s%s", fault, kept)
            world.renew()
            try:
                return world.reset()
            except EnvironmentFault as another:
                fault = another
        raise fault

    def restart(self, world: World) -> None:
        """Begin the next episode of a world."""
        try:
            world.reset()
        except EnvironmentFault as fault:
            self.forgive(world, fault)


class Worlds:
    """B worlds stepped together, and how much of their faults is tolerated."""

    def __init__(
        self, settings: EnvSettings, template: str, seed: int, n: int, tolerance: Tolerance | None = None, view: str = "text",
        must_fit: Callable[[Decision], None] | None = None,
    ):
        self.tolerance = tolerance or Tolerance()
        self.worlds = [World(settings, template, seed, b, view, must_fit=must_fit) for b in range(n)]
        for world in self.worlds:
            self.tolerance.restart(world)

    @property
    def failed(self) -> int:
        return self.tolerance.failed

    def state(self) -> dict[str, Any]:
        return {"worlds": [w.state() for w in self.worlds], "failed": self.tolerance.failed, "finished": self.tolerance.finished}

    def restore(self, state: dict[str, Any]) -> None:
        """Bring every world back to where it was by replaying its episode.

        An environment that does not repeat itself cannot be brought back: its episode is dropped with a warning, the next begins.
        """
        for world, saved in zip(self.worlds, state["worlds"], strict=True):
            try:
                world.restore(saved)
            except EnvironmentFault as fault:
                log.warning("An episode is dropped, and what follows may differ from a run that was not stopped: %s", fault)
                world.renew()
                self.tolerance.restart(world)
        self.tolerance.failed, self.tolerance.finished = int(state["failed"]), int(state["finished"])


def choose(log_probs: list[torch.Tensor], generator: torch.Generator | None) -> list[int]:
    """A position of every menu: sampled, or the most probable (the first of equals) without a generator."""
    if generator is None:
        return [int(row.argmax()) for row in log_probs]
    return [int(torch.multinomial(_probabilities(row), 1, generator=generator)) for row in log_probs]


def _probabilities(log_probs: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(log_probs) if log_probs.isnan().any() else log_probs.exp()


def _ask(policy: Policy, decisions: list[Decision]) -> list[torch.Tensor]:
    """The policy's log-probabilities; NaN for a decision on which the model gives none, so that the update sees and skips it."""
    try:
        return policy.log_probs(decisions)
    except NumericsError:
        if len(decisions) > 1:
            return [row for d in decisions for row in _ask(policy, [d])]
        log.warning("The model gives no finite log-probabilities to %s; the action is drawn evenly.", decisions[0])
        return [torch.full((len(decisions[0].menu),), torch.nan)]


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
        log_probs = _ask(policy, asked)
        chosen = choose(log_probs, generator)
        after = []
        for b, (world, position) in enumerate(zip(worlds.worlds, chosen, strict=True)):
            actions[t, b] = position
            numbers["log_probs"][t, b] = log_probs[b][position]
            try:
                reward, duration, terminated, truncated, prompt, episode = world.step(position)
            except EnvironmentFault as fault:
                worlds.tolerance.forgive(world, fault)
                flags["truncated"][t, b] = True  # nothing leaks over the dropped step; is_real stays False
                after.append(asked[b].prompt)
                continue
            flags["is_real"][t, b] = True
            numbers["rewards"][t, b], numbers["discounts"][t, b] = reward, gamma**duration
            flags["terminated"][t, b], flags["truncated"][t, b] = terminated, truncated
            after.append(prompt)
            if episode is not None:
                episodes.append(episode)
                worlds.tolerance.finished += 1
                worlds.tolerance.restart(world)
        decisions.append(asked)
        next_prompts.append(after)
    return Rollout(decisions=decisions, next_prompts=next_prompts, actions=actions, episodes=episodes, **numbers, **flags)

