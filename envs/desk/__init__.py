"""A desk where questions are answered: `SPECS` maps the gymnasium ids to the arguments of their environments.

Nothing else is imported before an environment is made.
"""

from typing import Any

ENTRY_POINT = "twosome_envs.desk.env:DeskEnv"

SPECS: dict[str, dict[str, Any]] = {"twosome/Desk-v0": {}}

# gymnasium id -> (entry point, default keyword arguments): worlds that need a folder of yours
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "twosome/ProductQA-v0": ("twosome_envs.desk.product_qa_env:ProductQAEnv", {})
}
