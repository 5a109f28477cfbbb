"""Cooking salads: `SPECS` maps every gymnasium id to the arguments of its environment.

Nothing else is imported before an environment is made.
"""

from typing import Any

ENTRY_POINT = "twosome_envs.overcooked.env:OvercookedEnv"

SPECS: dict[str, dict[str, Any]] = {
    # The two kitchens of the published runs.
    "twosome/TomatoSalad-v0": {"world": "W4", "recipe": "tomato salad"},
    "twosome/TomatoLettuceSalad-v0": {"world": "W3", "recipe": "lettuce-tomato salad"},
    # Any world, recipe and map.
    "twosome/Overcooked-v0": {},
}
