"""TWOSOME: a language model scores every legal action of a state; PPO trains its LoRA adapter from the reward alone.

    import twosome
    policy = twosome.load("tiny")
    policy.inspect("You are hungry.\\nNext action:", ["eat an apple", "go to sleep"])

`twosome.score_actions` does the same for any causal language model. Importing this package is quick: torch comes when
needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twosome.agents.planning import Search
    from twosome.inspection.comparison import compare, compare_adapter, inspect_state
    from twosome.inspection.distribution import ActionDistribution
    from twosome.lm.score_actions import score_actions
    from twosome.systems.load import load

__version__ = "0.1.0"
__all__ = ["ActionDistribution", "Search", "compare", "compare_adapter", "inspect_state", "load", "score_actions"]
_HOMES = {
    "ActionDistribution": "twosome.inspection.distribution",
    "Search": "twosome.agents.planning",
    "compare": "twosome.inspection.comparison",
    "compare_adapter": "twosome.inspection.comparison",
    "inspect_state": "twosome.inspection.comparison",
    "load": "twosome.systems.load",
    "score_actions": "twosome.lm.score_actions",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'twosome' has no attribute {name!r}")
