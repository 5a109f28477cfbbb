"""A workshop of recipes with alternatives: `SPECS` maps every gymnasium id to the arguments of its environment.

Nothing else is imported before an environment is made.
"""

from typing import Any

ENTRY_POINT = "twosome_envs.workshop.env:WorkshopEnv"

SPECS: dict[str, dict[str, Any]] = {"twosome/Workshop-v0": {}}
