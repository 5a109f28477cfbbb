"""What all third-party environments have in common: seen through scene, goal, menu and vector.

Unlike `twosome_envs.base.MenuEnv`, a third-party environment does not expose its state. A snapshot is therefore the
seed of the episode and the actions taken since, and `restore` replays them. Nothing here knows which environment it is.
"""

from __future__ import annotations

import re
import string
import zlib
from collections.abc import Hashable
from typing import Any, NamedTuple, SupportsIndex

import gymnasium
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.spaces import Box, Dict, Discrete, Text

from ..arguments import action_index, unknown
from ..base import Menu

N_WORDS = 256
"""Size of a vector of hashed words."""

Raw = Any
"""An observation of the third-party environment itself, whose type gymnasium leaves open."""


def hashed_words(text: str) -> np.ndarray:
    """Counts of the words of a text, hashed by CRC-32: float32 [N_WORDS]."""
    counts = np.zeros(N_WORDS, np.float32)
    for word in re.findall(r"[a-z]+", text.lower()):
        counts[zlib.crc32(word.encode()) % N_WORDS] += 1
    return counts


class AnyText(Text):
    """A text of at most `max_length` characters of any alphabet; samples are ASCII."""

    def __init__(self, max_length: int):
        super().__init__(max_length=max_length, min_length=0, charset=string.printable)

    def contains(self, x: object) -> bool:
        """Whether `x` is a string that is not too long."""
        return isinstance(x, str) and len(x) <= self.max_length


class StepResult(NamedTuple):
    """What one action of a third-party environment did; `raw` is its own observation."""

    raw: Raw
    reward: float
    terminated: bool
    truncated: bool
    success: bool


class ReplaySnapshot(NamedTuple):
    """An episode so far: how it began and which actions were taken. A replay must arrive at `scene`."""

    seed: int
    options: tuple[tuple[str, Hashable], ...]
    actions: tuple[int, ...]
    scene: str


class ThirdPartyEnv(gymnasium.Env[dict[str, Any], SupportsIndex]):
    """A third-party environment with the observation and `info` of `twosome_envs.base.MenuEnv`.

    A subclass implements `_begin` and `_advance`, which step the environment, and `_scene`, `_goal`, `_menu`,
    `_vector`, which read its raw observation. Every action lasts one primitive step.

    Args:
        n_actions: size A of the action space; a menu has A phrases at most.
        vector: the space of `observation["vector"]`, float32 [size].
        gamma: discount per step, for `info["episode"]["r"]`.
        max_text: longest scene and goal, in characters.
        render_mode: one of `metadata["render_modes"]`, or None.

    Raises:
        ValueError: an unknown `render_mode`.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  gymnasium's own form

    def __init__(self, n_actions: int, vector: Box, *, gamma: float, max_text: int, render_mode: str | None):
        modes = self.metadata["render_modes"]
        if render_mode is not None and render_mode not in modes:
            raise ValueError(unknown("render_mode", render_mode, modes))
        self.gamma = gamma
        self.render_mode = render_mode
        self.n_actions = n_actions
        self.action_space: Discrete = Discrete(n_actions)
        self.observation_space = Dict(scene=AnyText(max_text), goal=AnyText(max_text), vector=vector)
        self._raw: Raw = None
        self._over = True
        self._seed: int | None = None
        self._options: tuple[tuple[str, Hashable], ...] = ()
        self._actions: list[int] = []
        self._discounted_return = 0.0

    # What a subclass implements -----------------------------------------------------------------------------

    def _begin(self, seed: int, options: dict[str, Any]) -> Raw:
        """Start the episode of this seed, the same for equal seeds, and return its raw observation."""
        raise NotImplementedError

    def _advance(self, action: int, is_legal: bool) -> StepResult:
        raise NotImplementedError

    def _scene(self, raw: Raw) -> str:
        raise NotImplementedError

    def _goal(self, raw: Raw) -> str:
        raise NotImplementedError

    def _menu(self, raw: Raw) -> Menu:
        raise NotImplementedError

    def _vector(self, raw: Raw) -> np.ndarray:
        raise NotImplementedError

    # The gymnasium interface --------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start the episode of this seed, or the next one of the environment's own random stream."""
        super().reset(seed=seed)
        episode_seed = int(self.np_random.integers(2**31)) if seed is None else seed
        return self._restart(episode_seed, tuple((options or {}).items()))

    def step(self, action: SupportsIndex) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Take one action of the menu; a masked one is passed on, and the environment decides what it does.

        Returns observation, reward, terminated, truncated, info.

        Raises:
            gymnasium.error.InvalidAction: the action is not an index of the menu.
            gymnasium.error.ResetNeeded: before `reset`, and after the end of an episode.
        """
        if self._over:
            when = "before the first reset()" if self._seed is None else "after the episode has ended"
            raise ResetNeeded(f"step() was called {when}. Call env.reset() first.")
        menu = self._menu(self._raw)
        index = self._index(action, menu)
        result = self._advance(index, menu.is_legal[index])
        self._raw = result.raw
        self._discounted_return += self.gamma ** len(self._actions) * result.reward
        self._actions.append(index)
        self._over = result.terminated or result.truncated
        info = self._info(result.success)
        if self._over:
            info["episode"] = {"r": self._discounted_return, "l": len(self._actions)}
        return self._observation(), result.reward, result.terminated, result.truncated, info

    def snapshot(self) -> ReplaySnapshot:
        """The episode so far as a hashable value, for `restore`. Raises `ResetNeeded` before `reset`."""
        if self._seed is None:
            raise ResetNeeded("snapshot() was called before the first reset(). Call env.reset() first.")
        return ReplaySnapshot(self._seed, self._options, tuple(self._actions), self._scene(self._raw))

    def restore(self, snapshot: ReplaySnapshot) -> tuple[dict[str, Any], dict[str, Any]]:
        """Go back to a snapshot by replaying its actions, and return the observation and info of that moment.

        Raises:
            TypeError: not a snapshot of `ThirdPartyEnv`.
            RuntimeError: equal seeds and equal actions do not lead to the same scene.
        """
        if not isinstance(snapshot, ReplaySnapshot):
            raise TypeError(f"restore() takes what snapshot() returned, got {type(snapshot).__name__}.")
        observation, info = self._restart(snapshot.seed, snapshot.options)
        for action in snapshot.actions:
            observation, _, _, _, info = self.step(action)
        if observation["scene"] != snapshot.scene:
            raise RuntimeError(
                f"{type(self).__name__} is not deterministic: after the same seed and actions its scene is "
                f"{observation['scene']!r}, not {snapshot.scene!r}. "
                "Its randomness must come from reset(seed=...) alone."
            )
        return observation, info

    def clear_cache(self) -> None:
        """Do nothing: texts, menus and vectors are computed from the raw observation in every step, never cached."""

    # Helpers ------------------------------------------------------------------------------------------------

    def _restart(self, seed: int, options: tuple[tuple[str, Hashable], ...]) -> tuple[dict[str, Any], dict[str, Any]]:
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

    def _index(self, action: SupportsIndex, menu: Menu) -> int:
        """An action as an index of the menu. Raises `InvalidAction`, with the legal ones, for anything else."""
        n = len(menu.actions)
        index = action_index(action, n)
        if index is None:
            phrases = enumerate(zip(menu.actions, menu.is_legal, strict=True))
            legal = ", ".join(f"{i}: {phrase}" for i, (phrase, is_legal) in phrases if is_legal)
            raise InvalidAction(
                f"Expected an action index, an integer from 0 to {n - 1}, got {action!r} "
                f"({type(action).__name__}). Legal here: {legal}."
            )
        return index
