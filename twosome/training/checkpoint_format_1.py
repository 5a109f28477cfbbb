"""Checkpoints of format 1, written before 2026-11-25, in today's shape. To be dropped with the next format."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import torch

from twosome.protocols import StateDict

SCORERS = {"forest": "trie"}  # renamed since


def state_of_format_1(saved: dict[str, Any], tensors: dict[str, torch.Tensor], parts: Container[str]) -> StateDict:
    """The state of every part, from `state.json` and `training.safetensors` of format 1."""
    counters, run = saved["counters"], saved["run"]
    state: StateDict = {
        "policy": {
            "engine": {
                "token_budget": counters["token_budget"],
                "equivalence": {key: _equivalence(value) for key, value in saved["probes"].items()},
            },
            "states": saved["prompts"],
            "features": tensors.get("features"),
        },
        "learner": {
            "updates": counters["updates"],
            "bad_updates": counters["bad_updates"],
            "actor": _optimizer("actor", tensors),
            "critic": _optimizer("critic", tensors),
            "count_bonus": {"counts": run.get("novelty", {})},  # which the first of them lack
        },
        "worlds": run["worlds"] | {"worlds": [_world(world) for world in run["worlds"]["worlds"]]},
        "progress": run["stats"],
        "random": {name.removeprefix("generator."): t for name, t in tensors.items() if name.startswith("generator.")},
    }
    if "imitation" in run:  # a table has none
        state["learner"]["self_imitation"] = {"rollouts": [[_sample(row) for row in r] for r in run["imitation"]]}
    return {name: part for name, part in state.items() if name in parts}


def _equivalence(value: Any) -> Any:
    """The device's name, or what the check found."""
    if not isinstance(value, dict):
        return value
    refused = {SCORERS.get(name, name): why for name, why in value["refused"].items()}
    return value | {"scorer": SCORERS.get(value["scorer"], value["scorer"]), "refused": refused}


def _optimizer(owner: str, tensors: dict[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    """From names such as `actor.3.exp_avg`."""
    found: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        first, _, rest = name.partition(".")
        if first == owner:
            index, _, entry = rest.partition(".")
            found.setdefault(index, {})[entry] = tensor
    return found


def _sample(row: list[Any]) -> list[Any]:
    prompt, menu, action, target = row
    return [prompt, None, menu, [], action, target]


def _world(world: dict[str, Any]) -> dict[str, Any]:
    return {"episode": world["episode"], "actions": world["actions"], "events": [], "state": world["prompt"]}
