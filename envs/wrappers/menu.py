"""Texts and a menu for any gymnasium environment with discrete actions.

Your own environment in 30 lines: `notebooks/own_environment.py`, and in its folder
`python -m twosome.play env=own env.id=own_environment:Balcony-v0` to play it by hand. With one of gymnasium's, it is
shorter still:

>>> import gymnasium
>>> lake = MenuWrapper(
...     gymnasium.make("FrozenLake-v1", is_slippery=False),
...     describe=lambda cell: f"You stand on the ice in row {cell // 4}, column {cell % 4}.",
...     goal="Cross the lake to row 3, column 3 and keep clear of the holes.",
...     phrases=("go left", "go down", "go right", "go up"),
... )
>>> observation, info = lake.reset(seed=0)
>>> observation["scene"], info["actions"][1]
('You stand on the ice in row 0, column 0.', 'go down')
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, flatten, flatten_space
from gymnasium.wrappers import TimeLimit

from ..base import Menu
from .third_party import Raw, StepResult, ThirdPartyEnv


class MenuWrapper(ThirdPartyEnv):
    """An environment with a `Discrete` action space, seen through text and a menu.

    It is not a `gymnasium.Wrapper`, so that `env.unwrapped.snapshot()` finds it; the wrapped environment is `.env`.

    Args:
        env: the environment; a time limit that `gymnasium.make` put around it stays in force.
        describe: its observation -> the scene in words.
        goal: a text, or its observation -> the goal in words.
        phrases: one phrase per action, or its observation -> those phrases; no two alike. A state may have fewer of
            them than there are actions: those of the first indices.
        legal: its observation -> one bool per action, True = legal; default: `info["action_mask"]` where the
            environment gives one, otherwise all are legal.
        vector: its observation -> the numbers, float32 [size]; default: gymnasium's own flattening.
        vector_space: the `Box` of those numbers; needed with `vector`.
        success: (reward, terminated) -> whether the goal was reached; default: termination with a positive reward.
        max_steps: truncate an episode after this many actions; default: only the environment itself does.
        gamma: discount per step, for `info["episode"]["r"]`.
        max_text: longest scene and goal, in characters.

    Raises:
        TypeError: the action space is not `Discrete` or does not start at 0.
        ValueError: not one phrase per action, in a state more phrases than actions or none, or two phrases are equal.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        *,
        describe: Callable[[Raw], str],
        goal: str | Callable[[Raw], str],
        phrases: Sequence[str] | Callable[[Raw], Sequence[str]],
        legal: Callable[[Raw], Sequence[bool]] | None = None,
        vector: Callable[[Raw], np.ndarray] | None = None,
        vector_space: Box | None = None,
        success: Callable[[float, bool], bool] = lambda reward, terminated: terminated and reward > 0,
        max_steps: int | None = None,
        gamma: float = 0.99,
        max_text: int = 4000,
    ):
        space = env.action_space
        if not isinstance(space, Discrete) or space.start != 0:
            raise TypeError(f"A menu needs a Discrete action space that starts at 0, got {space}.")
        if vector is not None and vector_space is None:
            raise ValueError("vector=... needs vector_space=..., the Box that its numbers lie in.")
        self.env: gymnasium.Env[Any, Any] = env if max_steps is None else TimeLimit(env, max_steps)
        self.metadata = env.metadata
        self._describe = describe
        self._goal_of = (lambda raw: goal) if isinstance(goal, str) else goal
        self._phrases_of = phrases if callable(phrases) else (lambda raw: phrases)
        self._legal_of = legal
        self._success_of = success
        self._mask: Sequence[bool] | None = None
        if vector is None:
            vector_space = _flat_space(env)
            vector = self._flatten
        self._vector_of = vector
        assert vector_space is not None
        super().__init__(int(space.n), vector_space, gamma=gamma, max_text=max_text, render_mode=env.render_mode)
        if not callable(phrases):
            self._check(tuple(phrases), self.n_actions)

    def render(self) -> Any:
        """Whatever the wrapped environment renders."""
        return self.env.render()

    def close(self) -> None:
        """Close the wrapped environment."""
        self.env.close()

    def _begin(self, seed: int, options: dict[str, Any]) -> Raw:
        raw, info = self.env.reset(seed=seed, options=options or None)
        self._mask = info.get("action_mask")
        return raw

    def _advance(self, action: int, is_legal: bool) -> StepResult:
        raw, reward, terminated, truncated, info = self.env.step(action)
        self._mask = info.get("action_mask")
        done = bool(terminated)
        # A time limit counts steps only, so at its last step it also truncates an episode that has just ended.
        cut = bool(truncated) and not done
        return StepResult(raw, float(reward), done, cut, bool(self._success_of(float(reward), done)))

    def _scene(self, raw: Raw) -> str:
        return self._describe(raw)

    def _goal(self, raw: Raw) -> str:
        return self._goal_of(raw)

    def _menu(self, raw: Raw) -> Menu:
        phrases = tuple(self._phrases_of(raw))
        self._check(phrases, 1)
        is_legal: Sequence[bool] | None = self._legal_of(raw) if self._legal_of else self._mask
        if is_legal is None:
            is_legal = (True,) * len(phrases)
        elif self._legal_of is None:
            is_legal = is_legal[: len(phrases)]
        if len(is_legal) != len(phrases):
            raise ValueError(f"legal gave {len(is_legal)} answers for {len(phrases)} actions.")
        return Menu(phrases, tuple(bool(x) for x in is_legal))

    def _vector(self, raw: Raw) -> np.ndarray:
        return np.asarray(self._vector_of(raw), np.float32)

    def _flatten(self, raw: Raw) -> np.ndarray:
        return np.ravel(np.asarray(flatten(self.env.observation_space, raw)))

    def _check(self, phrases: tuple[str, ...], least: int) -> None:
        """Raise ValueError unless there are `least` phrases at least, at most one per action, no two alike."""
        n = self.n_actions
        if not least <= len(phrases) <= n:
            expected = f"{n} phrases, one per action" if least == n else f"{least} to {n} phrases"
            raise ValueError(f"Expected {expected}, got {len(phrases)}: {phrases}.")
        duplicates = sorted({p for p in phrases if phrases.count(p) > 1})
        if duplicates:
            raise ValueError(f"Two actions have the same phrase, so they cannot be told apart: {duplicates}.")


def _flat_space(env: gymnasium.Env[Any, Any]) -> Box:
    flat = flatten_space(env.observation_space)
    if not isinstance(flat, Box):
        raise TypeError(
            f"{env.observation_space} cannot be flattened to one array: give vector=... and vector_space=..."
        )
    return Box(flat.low.ravel().astype(np.float32), flat.high.ravel().astype(np.float32), dtype=np.float32)
