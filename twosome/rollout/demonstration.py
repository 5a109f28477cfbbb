"""What a world shows of how it is played, for a policy that learns from examples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from twosome.protocols import Demonstrates
from twosome.rollout.checked_env import World
from twosome.rollout.contract import check_menu, short, told
from twosome.rollout.situation import Blamed


def demonstrated(world: World) -> list[float]:
    """The odds of every action of the menu, as the environment demonstrates them in the present state.

    Raises `EnvironmentFault` for actions that are not legal there, or are not on the policy's shortlist, and for what
    are no odds.
    """
    inner = world.env.unwrapped
    with Blamed(world.fault), told(" in demonstrate", seconds=world.settings.step_timeout):
        given = inner.demonstrate(world.episode_seed) if isinstance(inner, Demonstrates) else None
        shown: dict[Any, Any] = dict(given) if isinstance(given, Mapping) else {given: 1.0}
    legal = {index: position for position, index in enumerate(world.menu.indices)}
    if others := [action for action in shown if action not in legal]:
        _must_not_be_left_out(world, others)
    is_known = all(isinstance(action, (int, np.integer)) and action in legal for action in shown)
    is_share = all(isinstance(share, (int, float, np.floating)) and share >= 0 for share in shown.values())
    if not (is_known and is_share and math.isclose(sum(shown.values()), 1.0, abs_tol=1e-6)):
        raise world.fault(
            f"demonstrated {short(given)}, expected the index of a legal action, or a dict of such with odds that sum "
            "to 1"
        )
    odds = [0.0] * len(legal)
    for action, share in shown.items():
        odds[legal[action]] += float(share)
    return odds


def _must_not_be_left_out(world: World, actions: list[Any]) -> None:
    """Raise the fault of a demonstrated action that is legal, but not among those that the policy chooses from."""
    whole = check_menu(world.info)
    phrases: dict[Any, str] = dict(zip(whole.indices, whole.phrases, strict=True))
    if left_out := [phrases[action] for action in actions if action in phrases]:
        raise world.fault(
            f"demonstrated {short(left_out[0])}, which is not among the {len(world.menu.phrases)} of {len(phrases)} "
            "actions that policy.shortlist leaves here, and what is not on offer cannot be learnt: raise "
            "policy.shortlist"
        )
