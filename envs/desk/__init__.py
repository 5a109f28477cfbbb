"""A desk where questions are answered: `SPECS` maps every gymnasium id to the arguments of its environment.

Nothing else is imported before an environment is made.
"""

from typing import Any

ENTRY_POINT = "twosome_envs.desk.env:DeskEnv"

SPECS: dict[str, dict[str, Any]] = {"twosome/Desk-v0": {}}
