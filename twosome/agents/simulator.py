"""A world as a tree search sees it: positions that it can be sent back to, and what an action does there."""

from __future__ import annotations

from typing import NamedTuple

from twosome.errors import ConfigError, EnvironmentFault
from twosome.rollout.checked_env import World
from twosome.rollout.situation import WorldSnapshot
from twosome.search.tree import Outcome, Position
from twosome.types import Decision

TRIED = 8  # actions of a world's first decision that are taken twice, to see whether it repeats itself


class Payload(NamedTuple):
    """What a position carries: the way back to it, and what the policy is asked there."""

    snapshot: WorldSnapshot
    decision: Decision


class Simulator:
    """A world as a search sees it. It moves the world about; `close` brings it back and unseals it.

    `steps`: taken so far, replays included; `fault`: what the world did against the contract. Then nothing more is
    asked of it, and what a search finds in it is void.
    """

    def __init__(self, world: World):
        self.world, self.steps = world, 0
        self.fault: EnvironmentFault | None = None
        self.was_sealed = world.sealed
        self.start = self._position(is_truncated=False)
        world.sealed = True

    def __call__(self, position: Position, action: int) -> Outcome:
        """Take an action at a position, wherever the world is now. After a fault every action leads to an end."""
        try:
            if self.fault is None:
                outcome = self._take(position, action)
                self.world.must_compare()
                return outcome
        except EnvironmentFault as fault:
            self.fault = fault
        return Outcome(self.start._replace(phrases=(), is_final=True), 0.0, 0.0)

    def _take(self, position: Position, action: int) -> Outcome:
        self._go_to(position)
        step = self.world.step(action)
        self.steps += 1
        discount = 0.0 if step.terminated else self.world.settings.gamma**step.duration
        has_failed = step.terminated and step.episode is not None and not step.episode.success
        there = self._position(is_truncated=step.truncated)
        return Outcome(there, step.reward, discount, has_failed, bool(step.closes))

    def must_repeat(self) -> list[Position]:
        """Raise `ConfigError` for a world that answers otherwise the second time: no search can trust it.

        Returns where the first actions lead.
        """
        reached = []
        for action in range(min(len(self.start.phrases), TRIED)):
            first, second = (self(self.start, action) for _ in range(2))
            if self.fault is not None:
                return []
            is_other = _seen(first) != _seen(second)
            if self._has_failed():
                return []
            if is_other:
                raise self._does_not_repeat("the same action led elsewhere")
            reached.append(first.position)
        return reached

    def must_tell_apart(self, reached: list[Position]) -> None:
        """Raise `ConfigError` where every action shows another scene and none another state: all would be circles."""
        going_on = [p for p in reached if not p.is_final]
        has_moved = any(p.payload.decision != self.start.payload.decision for p in going_on)
        if has_moved and all(p.key == self.start.key for p in going_on):
            raise ConfigError(
                f"{self.world.settings.id} gives the same snapshot().state before and after every action, though what "
                "it shows differs: a search would take each for a circle. Let `state` hold all but the clock, or use "
                "search.prune=false."
            )

    def close(self) -> None:
        """Bring the world back to where it was, as far as it lets itself be brought."""
        try:
            try:
                self._go_to(self.start)
            finally:
                self.world.sealed = self.was_sealed
            self.world.must_compare()
        except EnvironmentFault as fault:
            self.fault = self.fault or fault
        except ConfigError:
            if self.fault is None:
                raise

    def _has_failed(self) -> bool:
        """Whether there is a fault, that of states which could not be compared included."""
        try:
            self.world.must_compare()
        except EnvironmentFault as fault:
            self.fault = self.fault or fault
        return self.fault is not None

    def _go_to(self, position: Position) -> None:
        snapshot, decision = position.payload
        self.world.restore(snapshot)
        if snapshot.env is None:
            self.steps += len(snapshot.actions)
        if self.world.decision != decision:
            raise self._does_not_repeat("another decision came up")

    def _position(self, *, is_truncated: bool) -> Position:
        world = self.world
        phrases = () if world.is_over else world.menu.phrases
        payload = Payload(world.snapshot(), world.decision)
        asked = world.decision, world.is_over
        return Position(world.key, phrases, world.is_over, is_truncated, payload, asked)

    def _does_not_repeat(self, what: str) -> ConfigError:
        return ConfigError(
            f"{self.world.settings.id} does not repeat itself: from the same snapshot {what}. Simulations need a "
            "world whose snapshots hold everything, its random state too: use search.simulations=0, or method=twosome."
        )


def _seen(outcome: Outcome) -> tuple[object, ...]:
    position, *rest = outcome
    return position.key, position.is_final, position.payload.decision, *rest
