"""A world whose goal is split into its parts, on a stack: `SPECS` maps the gymnasium id to its arguments.

Any world that names its parts (`twosome_envs.parts.Parted`) can stand inside; by default it is the kitchen with orders.

>>> import gymnasium
>>> env = gymnasium.make("twosome_envs:twosome/Split-v0")
>>> observation, info = env.reset()
>>> [phrase for phrase, is_legal in zip(info["actions"], info["action_mask"]) if is_legal]
['work on: tomato salad', 'work on: lettuce salad']
>>> observation, *_ = env.step(info["actions"].index("work on: lettuce salad"))
>>> observation["goal"]
'Serve a bowl that holds only chopped lettuce.'
"""

from typing import Any

ENTRY_POINT = "twosome_envs.split.env:Split"

SPECS: dict[str, dict[str, Any]] = {"twosome/Split-v0": {}}
"""gymnasium id -> default keyword arguments."""
