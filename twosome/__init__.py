"""TWOSOME: a language model scores every legal action of a state; PPO trains its LoRA adapter from the reward alone.

    import twosome
    policy = twosome.load("tiny")
    policy.inspect("You are hungry.\\nNext action:", ["eat an apple", "go to sleep"])

    run = twosome.train(env="tomato_salad", total_steps=20_000)
    run.policy.act(observation, info)

`twosome.score_actions` scores menus with any causal language model. Importing this package is quick: torch comes when
needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twosome.agents.llm_policy import LLMPolicy
    from twosome.agents.planning import Search
    from twosome.errors import TwosomeError
    from twosome.inspection.comparison import compare, compare_adapter, inspect_state
    from twosome.inspection.distribution import ActionDistribution
    from twosome.lm.score_actions import score_actions
    from twosome.systems.load import load
    from twosome.train import train
    from twosome.training.api import TrainedRun

__version__ = "0.1.0"
__all__ = [
    "ActionDistribution",
    "LLMPolicy",
    "Search",
    "TrainedRun",
    "TwosomeError",
    "compare",
    "compare_adapter",
    "inspect_state",
    "load",
    "score_actions",
    "train",
]
_HOMES = {
    "ActionDistribution": "twosome.inspection.distribution",
    "LLMPolicy": "twosome.agents.llm_policy",
    "Search": "twosome.agents.planning",
    "TrainedRun": "twosome.training.api",
    "TwosomeError": "twosome.errors",
    "compare": "twosome.inspection.comparison",
    "compare_adapter": "twosome.inspection.comparison",
    "inspect_state": "twosome.inspection.comparison",
    "load": "twosome.systems.load",
    "score_actions": "twosome.lm.score_actions",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name == "train":  # a module that can be called: it bears the name of its function
        return importlib.import_module("twosome.train")
    if name in _HOMES:
        value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
        return value
    raise AttributeError(f"module 'twosome' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
