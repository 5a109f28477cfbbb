"""The world inside an agent: how it is made, what it must have, and what it may have."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Protocol, runtime_checkable

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Text
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

from ..wrappers.third_party import AnyText


@runtime_checkable
class Restorable(Protocol):
    """A world that can go back to where it was."""

    def snapshot(self) -> Hashable:
        """The whole situation."""

    def restore(self, snapshot: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Go back there; returns observation and info."""


@runtime_checkable
class Pictured(Protocol):
    """A world that draws itself without a caption."""

    def picture(self) -> np.ndarray:
        """The present state, uint8 [height, width, 3]."""


@runtime_checkable
class Cached(Protocol):
    """A world that keeps results that it computed."""

    def clear_cache(self) -> None:
        """Drop all of them."""


def made(world: Mapping[str, Any] | gymnasium.Env, render_mode: str | None) -> gymnasium.Env:
    """The world that the argument describes, without the wrappers that only check the order of calls.

    Other wrappers stay, a time limit among them.

    Raises:
        TypeError: not a world of texts and menus, or an argument of another form.
        ValueError: `render_mode` is not that of a world that is made already.
    """
    if isinstance(world, gymnasium.Env):
        env = world
        if render_mode not in (None, env.render_mode):
            raise ValueError(
                f"render_mode={render_mode!r}, but the world was made with render_mode={env.render_mode!r}: give it to "
                "the world when that is made."
            )
    else:
        kwargs: Any = world.get("kwargs", {}) if isinstance(world, Mapping) else None
        is_good = isinstance(world, Mapping) and isinstance(world.get("id"), str) and world.keys() <= {"id", "kwargs"}
        if not is_good or not isinstance(kwargs, Mapping) or "render_mode" in kwargs:
            raise TypeError(
                'world must be {"id": str, "kwargs": dict}, with render_mode given to the agent and not in kwargs, or '
                f"a gymnasium.Env, got {world!r}."
            )
        env = gymnasium.make(world["id"], disable_env_checker=True, render_mode=render_mode, **kwargs)
    while isinstance(env, (OrderEnforcing, PassiveEnvChecker)):
        env = env.env
    _check_spaces(env)
    return env


def _check_spaces(env: gymnasium.Env) -> None:
    actions, seen = env.action_space, env.observation_space
    parts = dict(seen.spaces) if isinstance(seen, Dict) else {}
    vector = parts.get("vector")
    is_text = isinstance(parts.get("scene"), Text) and isinstance(parts.get("goal"), Text)
    is_vector = isinstance(vector, Box) and len(vector.shape) == 1
    if not isinstance(actions, Discrete) or actions.start != 0 or not is_text or not is_vector:
        raise TypeError(
            f"{env} is no world of texts and menus: expected Discrete actions from 0 on and a Dict to observe with "
            f"Text scene and goal and a Box vector of one axis, got {actions} and {seen}. "
            "twosome_envs.wrappers.menu.MenuWrapper gives it words."
        )


def discount_of(inner: gymnasium.Env, gamma: float | None) -> float:
    """The discount per primitive step: the world's own, or where it has none the argument.

    Raises `ValueError` where neither or both and different are given: a number has one home.
    """
    own = getattr(inner, "gamma", None)
    if gamma is None and own is None:
        raise ValueError(f"{inner} names no gamma: give gamma=..., the discount per primitive step that training uses.")
    if gamma is not None and own is not None and gamma != own:
        raise ValueError(f"gamma={gamma}, but {inner} discounts with {own}: leave gamma out.")
    value = own if gamma is None else gamma
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise ValueError(f"gamma={value!r}, expected a number above 0 and at most 1.")
    return float(value)


def restorable(env: gymnasium.Env) -> Restorable:
    """The world as one that takes snapshots. Raises `NotImplementedError` where a snapshot would not be the whole."""
    inner = env.unwrapped
    if inner is not env:
        raise NotImplementedError(
            f"A snapshot of {env} would pass by its wrapper {type(env).__name__}: give the agent the world without it, "
            "world.unwrapped."
        )
    if not isinstance(inner, Restorable):
        raise NotImplementedError(
            f"{inner} has no snapshot() and restore(), so the agent around it has none either: add both to the world, "
            "or wrap it with twosome_envs.wrappers.menu.MenuWrapper, which plays its actions again."
        )
    return inner


def spaces_around(world: gymnasium.Env, n_slots: int, high: int, n_letters: int) -> tuple[int, Discrete, Dict]:
    """The world's number of actions, and the spaces of an agent: more actions, `n_letters` more of scene, counts.

    The vector has `n_slots` numbers more, from 0 to `high`.
    """
    actions, seen = world.action_space, world.observation_space
    assert isinstance(actions, Discrete)
    assert isinstance(seen, Dict)
    n = int(actions.n)
    if not n_slots:
        return n, actions, seen
    parts: dict[str, Any] = dict(seen.spaces)
    vector = parts["vector"]
    parts["scene"] = AnyText(parts["scene"].max_length + n_letters)
    lows, highs = np.append(vector.low, np.zeros(n_slots)), np.append(vector.high, np.full(n_slots, high))
    parts["vector"] = Box(lows.astype(np.float32), highs.astype(np.float32), dtype=np.float32)
    return n, Discrete(n + n_slots), Dict(parts)


def whole(name: str, value: object, least: int, most: int = 1_000_000) -> int:
    """The value, if it is an int from `least` to `most`; otherwise `TypeError` or `ValueError` under this name."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}={value!r} ({type(value).__name__}), expected an int of {least} or more.")
    if value < least:
        raise ValueError(f"{name}={value}, expected an int of {least} or more.")
    if value > most:
        raise ValueError(f"{name} is too large: expected an int of at most {most}.")
    return value
