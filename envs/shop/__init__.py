"""A shop on the web: `SPECS` maps every gymnasium id to the arguments of its environment.

Nothing else is imported before an environment is made.
"""

from typing import Any

ENTRY_POINT = "twosome_envs.shop.env:ShopEnv"

SPECS: dict[str, dict[str, Any]] = {"twosome/Shop-v0": {}}
