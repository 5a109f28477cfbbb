"""What a world shows of how it is played, for a policy that learns from examples."""

from __future__ import annotations

import numpy as np

from twosome.protocols import Demonstrates
from twosome.rollout.checked_env import World
from twosome.rollout.contract import short, told
from twosome.rollout.situation import Blamed


def demonstrated(world: World) -> int:
    """The position in the menu of the action that the environment demonstrates in the present state.

    Raises `EnvironmentFault` for an action that is not legal there.
    """
    inner = world.env.unwrapped
    with Blamed(world.fault), told(" in demonstrate", seconds=world.settings.step_seconds):
        action = inner.demonstrate(world.episode_seed) if isinstance(inner, Demonstrates) else None
    if not isinstance(action, (int, np.integer)) or int(action) not in world.menu.indices:
        raise world.fault(f"demonstrated {short(action)}, expected the index of a legal action")
    return world.menu.indices.index(int(action))
