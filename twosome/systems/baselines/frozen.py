"""The frozen language model without training, alone and SayCan-style: its score times the affordance of the action.

Affordance here is exact and costs one step of the simulator: does the action change the state? An action that does not
is struck from the menu, and the language model's distribution over the rest is used (Ahn et al. 2022 learn such a
function).
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from twosome.protocols import Identified


class Affordance(gymnasium.Wrapper):
    """Marks as illegal every action that would leave the state as it is, unless nothing else is left."""

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(**kwargs)
        return observation, self._filter(info)

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated, truncated, info if terminated or truncated else self._filter(info)

    def _filter(self, info: dict[str, Any]) -> dict[str, Any]:
        world: Any = self.unwrapped
        here = world.snapshot()
        is_legal = np.asarray(info.get("action_mask", [True] * len(info["actions"])), bool)
        changes = np.zeros_like(is_legal)
        for action in np.flatnonzero(is_legal):
            world.step(int(action))
            changes[action] = _state(world.snapshot()) != _state(here)
            world.restore(here)
        return info | {"action_mask": changes if changes.any() else is_legal}


def _state(snapshot: Any) -> Any:
    """What is compared: the state itself where a snapshot tells it from step counters."""
    return snapshot.state if isinstance(snapshot, Identified) else snapshot
