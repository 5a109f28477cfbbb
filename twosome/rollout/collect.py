"""Environments x policy -> Rollout [T, B]."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch

from twosome.errors import EnvironmentFault
from twosome.protocols import Policy, StateDict
from twosome.rollout.checked_env import World
from twosome.rollout.contract import READ, Violation, check_menu, told
from twosome.rollout.driver import Deliberation, Tolerance, Transition, drive
from twosome.rollout.situation import Step, decide, offered
from twosome.rollout.workers import Workers
from twosome.types import Episode, Rollout, Situation

if TYPE_CHECKING:
    from twosome.config.schema import EnvSettings

log = logging.getLogger(__name__)


class Worlds:
    """B worlds stepped together, and how much of their faults is tolerated."""

    def __init__(
        self,
        settings: EnvSettings,
        policy: Policy,
        seed: int,
        n: int,
        tolerance: Tolerance | None = None,
        workers: Workers | None = None,
    ):
        self.settings, self.policy = settings, policy
        self.tolerance = tolerance or Tolerance()
        self.worlds: list[World] = []
        try:
            if workers is not None:
                workers.prepare(n)
            for b in range(n):
                self.worlds.append(World(settings, policy, seed, b, workers=workers))
            for world in self.worlds:
                self.tolerance.restart(world)
        except BaseException:
            self.close()
            if workers is not None:
                workers.close()
            raise

    def close(self) -> None:
        """Close every world: an environment may hold processes, files, windows."""
        for world in self.worlds:
            world.close()

    def decide_again(self) -> None:
        """Ask the policy anew what it is asked in every world: after a change of what it is reminded of."""
        for world in self.worlds:
            if not world.is_over:
                world.decision = decide(self.policy, world.observation, world.menu, may_cut=False)

    def state_dict(self) -> StateDict:
        """Where every world is, and the counts of episodes."""
        return {"worlds": [w.state_dict() for w in self.worlds], **self.tolerance.state_dict()}

    def load_state_dict(self, state: StateDict) -> None:
        """Bring every world back to where it was by replaying its episode.

        An environment that does not repeat itself cannot be brought back: its episode is dropped with a warning, the
        next begins.
        """
        for world, saved in zip(self.worlds, state["worlds"], strict=True):
            try:
                world.load_state_dict(saved)
            except EnvironmentFault as fault:
                log.warning("An episode is dropped; what follows may differ from a run that was not stopped: %s", fault)
                world.recreate()
                self.tolerance.restart(world)
        self.tolerance.load_state_dict(state)


def collect(worlds: Worlds, steps: int, generator: torch.Generator, deliberate: Deliberation | None = None) -> Rollout:
    """Let the policy act for `steps` decisions in every world; episodes that end are followed by the next."""
    n, gamma = len(worlds.worlds), worlds.settings.gamma
    numbers = {name: torch.zeros(steps, n) for name in ("log_probs", "rewards", "discounts", "hints", "costs")}
    flags = {name: torch.zeros(steps, n, dtype=torch.bool) for name in ("terminated", "truncated", "is_real", "closes")}
    actions = torch.zeros(steps, n, dtype=torch.long)
    rows: list[dict[str, list[Any]]] = []
    situations: list[list[Situation]] = []
    next_situations: list[list[Situation]] = []
    episodes: list[Episode] = []
    is_session = False
    for t in range(steps):
        situations.append([_situation(world) for world in worlds.worlds])
        transitions = drive(worlds.worlds, worlds.policy, generator, worlds.tolerance, deliberate)
        next_situations.append([_situation(world) for world in worlds.worlds])  # before any restart
        next_menus = [_next_menu(tr.world, tr.step) for tr in transitions]
        for b, (world, _, log_probs, action, _, _, step) in enumerate(transitions):
            actions[t, b], numbers["log_probs"][t, b] = action, log_probs[action]
            if step is None:
                flags["truncated"][t, b] = True  # nothing leaks over the dropped step; is_real stays False
                continue
            flags["is_real"][t, b] = True
            numbers["rewards"][t, b], numbers["discounts"][t, b] = step.reward, gamma**step.duration
            flags["terminated"][t, b], flags["truncated"][t, b] = step.terminated, step.truncated
            flags["closes"][t, b], numbers["hints"][t, b] = bool(step.closes), step.hint
            is_session |= step.closes is not None
            numbers["costs"][t, b] = step.cost
            if step.episode is not None:
                episodes.append(step.episode)
                worlds.tolerance.restart(world)
        rows.append(_row(transitions) | {"next_menus": next_menus})
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]} | numbers | flags
    if deliberate is None:
        columns["targets"] = columns["values"] = None
    references = columns.pop("references")
    closes, hints = columns.pop("closes"), columns.pop("hints")
    return Rollout(
        actions=actions,
        **columns,
        episodes=episodes,
        situations=situations,
        next_situations=next_situations,
        closes=closes if is_session else None,
        hints=hints if is_session else None,
        references=references if any(given for row in references for given in row) else None,
    )


def _row(transitions: list[Transition]) -> dict[str, list[Any]]:
    """What the worlds were asked at one step, and what was answered."""
    return {
        "decisions": [tr.decision for tr in transitions],
        "next_states": [tr.decision.state if tr.step is None else tr.step.state for tr in transitions],
        "distributions": [tr.log_probs for tr in transitions],
        "targets": [tr.target for tr in transitions],
        "values": [tr.value for tr in transitions],
        "references": [None if tr.step is None else tr.step.reference for tr in transitions],
    }


def _situation(world: World) -> Situation:
    return Situation(world.observation["goal"], world.observation["scene"])


def _next_menu(world: World, step: Step | None) -> tuple[str, ...]:
    """The phrases that are legal after a step, also where it cut the episode off and the environment names some."""
    if step is None or step.terminated:
        return ()
    if not world.is_over:
        return world.menu.phrases
    try:
        with told(READ, seconds=world.settings.step_timeout):
            menu = check_menu(world.info)
    except Violation:
        return ()
    return offered(world.policy, world.observation, menu).phrases
