"""The game of 24: `SPECS` maps every gymnasium id to the arguments of its environment.

Nothing else is imported before an environment is made.
"""

from typing import Any

ENTRY_POINT = "twosome_envs.game24.env:Game24Env"

SPECS: dict[str, dict[str, Any]] = {"twosome/Game24-v0": {}}
