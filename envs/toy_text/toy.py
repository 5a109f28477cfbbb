"""One of gymnasium's toy-text worlds behind a menu: its own `step` decides, on a state that can be put back.

The state holds what the world keeps between two steps, and in a world of chance also its random stream. So equal
states have equal futures, and an episode that goes back meets the same chance again: a search over snapshots foresees
it, as nobody at the world could.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium
import numpy as np

from ..base import MenuEnv, Outcome

Stream = tuple[int, int, int, int]
"""A PCG64 stream: state, increment, and the half of a draw that is left."""


class Moment(NamedTuple):
    """What a world keeps: `values` in the order of `ToyText.kept`; `stream` is None where nothing is left to chance."""

    values: tuple[Any, ...]
    stream: Stream | None


class ToyText(MenuEnv[Moment]):
    """A toy-text world of gymnasium.

    A subclass sets `kept`, the attributes of the world that change in an episode, and implements the texts, the menu
    and the numbers of a `Moment`.

    Args:
        world: the world of gymnasium itself, without wrappers; `max_steps` takes the place of its time limit.
        is_chance: whether a step of it draws anything.
        vector_high, render_mode: of `MenuEnv`.
    """

    gamma = 1.0
    max_steps = 200
    kept: tuple[str, ...] = ("s",)

    def __init__(
        self, world: gymnasium.Env[Any, Any], is_chance: bool, vector_high: np.ndarray, render_mode: str | None
    ):
        super().__init__(int(world.action_space.n), vector_high, render_mode)  # type: ignore[attr-defined]
        self._world: Any = world
        self._is_chance = is_chance

    def _start(self) -> Moment:
        """The episode that the world itself begins with this seed."""
        bits = self.np_random.bit_generator
        self._world.np_random = np.random.Generator(np.random.PCG64())
        self._world.np_random.bit_generator.state = bits.state
        self._world.reset()
        assert isinstance(bits, np.random.PCG64)
        bits.state = bits.jumped().state  # where the next episode without a seed begins: none shares draws
        return self._moment()

    def _transition(self, state: Moment, action: int) -> Outcome[Moment]:
        for name, value in zip(self.kept, state.values, strict=True):
            setattr(self._world, name, list(value) if isinstance(value, tuple) else value)
        if state.stream is not None:
            number, inc, has_half, half = state.stream
            self._world.np_random.bit_generator.state = {
                "bit_generator": "PCG64",
                "state": {"state": number, "inc": inc},
                "has_uint32": has_half,
                "uinteger": half,
            }
        _, reward, terminated, _, _ = self._world.step(action)
        success = bool(terminated) and self._is_success(float(reward))
        return Outcome(self._moment(), (float(reward),), success, bool(terminated) and not success)

    def _is_success(self, reward: float) -> bool:
        """Whether an episode that has ended with this reward reached the goal."""
        return reward > 0

    def _moment(self) -> Moment:
        values = (getattr(self._world, name) for name in self.kept)
        found = tuple(tuple(map(int, v)) if isinstance(v, (list, tuple)) else int(v) for v in values)
        if not self._is_chance:
            return Moment(found, None)
        state = self._world.np_random.bit_generator.state
        stream = (state["state"]["state"], state["state"]["inc"], state["has_uint32"], state["uinteger"])
        return Moment(found, stream)
