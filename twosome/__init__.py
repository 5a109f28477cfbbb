"""TWOSOME: a language model scores every legal action of a state; PPO trains its LoRA adapter from the reward alone.

    import twosome
    policy = twosome.load("tiny")
    policy.inspect("You are hungry.\\nNext action:", ["eat an apple", "go to sleep"])

`twosome.score_actions` does the same for any causal language model. Importing this package is quick: torch comes when needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twosome.api import build_policy, load, score_actions
    from twosome.comparison import compare, compare_adapter, inspect_state
    from twosome.distribution import ActionDistribution

__version__ = "0.1.0"
__all__ = [
    "ActionDistribution",
    "build_policy",
    "compare",
    "compare_adapter",
    "inspect_state",
    "load",
    "score_actions",
]
_HOMES = {
    "ActionDistribution": "twosome.distribution",
    **dict.fromkeys(("compare", "compare_adapter", "inspect_state"), "twosome.comparison"),
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        import importlib

        return getattr(importlib.import_module(_HOMES.get(name, "twosome.api")), name)
    raise AttributeError(f"module 'twosome' has no attribute {name!r}")
