"""Pages that tell how things are done: `SPECS` maps every gymnasium id to the arguments of its environment.

Nothing else is imported before an environment is made.
"""

from typing import Any

ENTRY_POINT = "twosome_envs.pages.env:PagesEnv"

SPECS: dict[str, dict[str, Any]] = {"twosome/Pages-v0": {}}
