"""The frozen language model without training, alone and SayCan-style: its score times the affordance of the action.

Affordance here is exact and costs one step of the simulator: does the action change the state? An action that does not
is struck from the menu, and the language model's distribution over the rest is used (Ahn et al. 2022 learn such a
function).
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np


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
        changes = np.zeros_like(info["action_mask"])
        for action in np.flatnonzero(info["action_mask"]):
            world.step(int(action))
            changes[action] = world.snapshot().state != here.state
            world.restore(here)
        return info | {"action_mask": changes if changes.any() else info["action_mask"]}
