"""What every guest has in common: a foreign world seen through scene, goal, menu and vector.

Unlike the worlds of our own (`twosome_envs.base`), a guest keeps its state to itself. A snapshot is
therefore the seed of the episode and the actions taken since, and `restore` plays them again. Nothing here
knows which world it is.
"""

from __future__ import annotations

import operator
import string
from collections.abc import Hashable
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.spaces import Box, Dict, Discrete, Text

from ..base import Menu, unknown


class AnyText(Text):
    """A text of at most `max_length` characters of any alphabet; samples are ASCII."""

    def __init__(self, max_length: int):
        super().__init__(max_length=max_length, min_length=0, charset=string.printable)

    def contains(self, x: Any) -> bool:
        return isinstance(x, str) and len(x) <= self.max_length


class Turn(NamedTuple):
    """What one action of a guest did; `raw` is the guest's own observation, in whatever form."""

    raw: Any
    reward: float
    terminated: bool
    truncated: bool
    success: bool


class GuestSnapshot(NamedTuple):
    """An episode so far: how it began and what was done. `scene` proves that a replay arrived there."""

    seed: int
    options: tuple[tuple[str, Hashable], ...]
    actions: tuple[int, ...]
    scene: str


class GuestEnv(gymnasium.Env):
    """A foreign world as a gymnasium environment with the observation and `info` of
    `twosome_envs.base.MenuEnv`.

    A subclass gives `_begin` and `_advance`, which move the world, and `_scene`, `_goal`, `_menu`,
    `_vector`, which read the guest's own observation. Every action lasts one primitive step.

    Args:
        n_actions: size of the action space A; every menu has A phrases.
        vector: the space of `observation["vector"]`, float32 [size].
        gamma: discount per step, for `info["episode"]["r"]`.
        max_text: longest scene, in characters.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  gymnasium's own form

    def __init__(self, n_actions: int, vector: Box, *, gamma: float, max_text: int, render_mode: str | None):
        modes = self.metadata["render_modes"]
        if render_mode is not None and render_mode not in modes:
            raise ValueError(unknown("render_mode", render_mode, modes))
        self.gamma = gamma
        self.render_mode = render_mode
        self.n_actions = n_actions
        self.action_space = Discrete(n_actions)
        self.observation_space = Dict(scene=AnyText(max_text), goal=AnyText(max_text), vector=vector)
        self._raw: Any = None
        self._over = True
        self._seed: int | None = None
        self._options: tuple[tuple[str, Hashable], ...] = ()
        self._actions: list[int] = []
        self._discounted_return = 0.0

    # What a guest provides ----------------------------------------------------------------------------

    def _begin(self, seed: int, options: dict[str, Any]) -> Any:
        """Start the episode that `seed` names; equal seeds, equal episodes. Returns the raw observation."""
        raise NotImplementedError

    def _advance(self, action: int, is_legal: bool) -> Turn:
        raise NotImplementedError

    def _scene(self, raw: Any) -> str:
        raise NotImplementedError

    def _goal(self, raw: Any) -> str:
        raise NotImplementedError

    def _menu(self, raw: Any) -> Menu:
        raise NotImplementedError

    def _vector(self, raw: Any) -> np.ndarray:
        raise NotImplementedError

    # The gymnasium interface --------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Start an episode: the one that `seed` names, or the next one of the environment's own stream."""
        super().reset(seed=seed)
        episode_seed = int(self.np_random.integers(2**31)) if seed is None else seed
        return self._restart(episode_seed, tuple((options or {}).items()))

    def step(self, action):
        """Take one action of the menu; a masked one is handed to the guest, which answers as it does.

        Raises `gymnasium.error.InvalidAction` for anything that is not an index of the menu and
        `gymnasium.error.ResetNeeded` before `reset` and after the end of an episode.
        """
        if self._over:
            when = "before the first reset()" if self._seed is None else "after the episode has ended"
            raise ResetNeeded(f"step() was called {when}. Call env.reset() first.")
        menu = self._menu(self._raw)
        index = self._index(action, menu)
        turn = self._advance(index, menu.is_legal[index])
        self._raw = turn.raw
        self._discounted_return += self.gamma ** len(self._actions) * turn.reward
        self._actions.append(index)
        self._over = turn.terminated or turn.truncated
        info = self._info(turn.success)
        if self._over:
            info["episode"] = {"r": self._discounted_return, "l": len(self._actions)}
        return self._observation(), turn.reward, turn.terminated, turn.truncated, info

    def snapshot(self) -> GuestSnapshot:
        """The episode so far as a hashable value, for `restore`."""
        if self._seed is None:
            raise ResetNeeded("snapshot() was called before the first reset(). Call env.reset() first.")
        return GuestSnapshot(self._seed, self._options, tuple(self._actions), self._scene(self._raw))

    def restore(self, snapshot: GuestSnapshot):
        """Go back to a snapshot by playing its actions again. Returns the observation and info of that
        moment.

        Raises `RuntimeError` where the guest does not repeat itself under an equal seed and equal actions.
        """
        if not isinstance(snapshot, GuestSnapshot):
            raise TypeError(f"restore() takes what snapshot() returned, got {type(snapshot).__name__}.")
        observation, info = self._restart(snapshot.seed, snapshot.options)
        for action in snapshot.actions:
            observation, _, _, _, info = self.step(action)
        if observation["scene"] != snapshot.scene:
            raise RuntimeError(
                f"{type(self).__name__} did not repeat itself: after the same seed and actions its scene is "
                f"{observation['scene']!r}, not {snapshot.scene!r}. "
                "Its randomness must come from reset(seed=...) alone."
            )
        return observation, info

    # Helpers ------------------------------------------------------------------------------------------

    def _restart(self, seed: int, options: tuple[tuple[str, Hashable], ...]):
        self._seed, self._options, self._actions = seed, options, []
        self._discounted_return, self._over = 0.0, False
        self._raw = self._begin(seed, dict(options))
        return self._observation(), self._info(success=False)

    def _observation(self) -> dict[str, Any]:
        raw = self._raw
        return {"scene": self._scene(raw), "goal": self._goal(raw), "vector": self._vector(raw)}

    def _info(self, success: bool) -> dict[str, Any]:
        actions, is_legal = self._menu(self._raw)
        return {
            "actions": actions,
            "action_mask": np.array(is_legal, bool),
            "duration": 1,
            "success": success,
        }

    def _index(self, action: Any, menu: Menu) -> int:
        n = len(menu.actions)
        try:
            index = None if isinstance(action, (bool, np.bool_)) else operator.index(action)
        except TypeError:
            index = None
        if index is None or not 0 <= index < n:
            listed = ", ".join(
                f"{i}: {p}" for i, (p, ok) in enumerate(zip(menu.actions, menu.is_legal, strict=True)) if ok
            )
            raise InvalidAction(
                f"Expected an action index, an integer from 0 to {n - 1}, got {action!r} "
                f"({type(action).__name__}). "
                f"Legal here: {listed}."
            )
        return index


def missing(package: str, extra: str) -> str:
    """The message for an optional package that is not installed."""
    return f'This environment needs the package {package!r}, which is missing: pip install "twosome[{extra}]"'
