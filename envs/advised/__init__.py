"""A world in which one can ask what to do, at a price: `SPECS` maps the gymnasium id to its arguments.

Any world with snapshots, and not too many states, can stand inside; by default it is the tomato salad.

>>> import gymnasium
>>> env = gymnasium.make("twosome_envs:twosome/Advised-v0", cost=0.02)
>>> observation, info = env.reset()
>>> observation, reward, *_ = env.step(info["actions"].index("ask what to do"))
>>> reward, observation["scene"].splitlines()[-1]
(-0.02, 'Advice: pick up the tomato')
"""

from typing import Any

ENTRY_POINT = "twosome_envs.advised.env:Advised"

SPECS: dict[str, dict[str, Any]] = {"twosome/Advised-v0": {}}
"""gymnasium id -> default keyword arguments."""
