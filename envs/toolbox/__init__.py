"""Questions, and tools at a price: `SPECS` maps every gymnasium id to the arguments of its environment.

Nothing else is imported before an environment is made.
"""

from typing import Any

ENTRY_POINT = "twosome_envs.toolbox.env:ToolboxEnv"

SPECS: dict[str, dict[str, Any]] = {"twosome/Toolbox-v0": {}}
