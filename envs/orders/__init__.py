"""Several dishes in one episode: `SPECS` maps every gymnasium id to the arguments of its environment.

Nothing else is imported before an environment is made.
"""

from typing import Any

ENTRY_POINT = "twosome_envs.orders.env:OrdersEnv"

SPECS: dict[str, dict[str, Any]] = {"twosome/Orders-v0": {}}
