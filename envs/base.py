"""The contract of every world here: a deterministic state machine that offers a menu of phrases.

A family of worlds (overcooked, virtualhome) subclasses `MenuEnv` and provides pure functions of a hashable
state; this module turns them into a gymnasium environment: observations, menus, episode accounting,
snapshots, errors. It knows nothing about kitchens, homes or language models.
"""

from __future__ import annotations

import difflib
import operator
import string
from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.spaces import Box, Dict, Discrete, Text


class Menu(NamedTuple):
    """What can be done in a state: one phrase per action index, and whether it is legal (True = legal)."""

    actions: tuple[str, ...]
    is_legal: tuple[bool, ...]


class Outcome(NamedTuple):
    """What one action did. `rewards` holds one reward per primitive step, so its length is the duration."""

    state: Hashable
    rewards: tuple[float, ...]
    success: bool


class Last(NamedTuple):
    """The last action taken, for captions and `info`; `phrase` is None right after `reset`."""

    phrase: str | None
    reward: float
    duration: int
    success: bool


class Snapshot(NamedTuple):
    """Everything that `restore` needs; hashable and cheap (a few references, nothing is copied)."""

    state: Hashable
    steps: int
    discounted_return: float
    over: bool
    last: Last


class View(NamedTuple):
    """All that is shown of a state."""

    scene: str
    goal: str
    vector: np.ndarray
    actions: tuple[str, ...]
    is_legal: np.ndarray


START = Last(None, 0.0, 1, False)

MEMORY = 1 << 14
"""States and moves that an environment remembers; more than this and it starts afresh."""


class MenuEnv(gymnasium.Env):
    """A gymnasium environment whose observation is text and whose actions are phrases.

    Observation: `{"scene": str, "goal": str, "vector": float32 [size]}`.
    `info`: `actions` (the phrase of every action index in this state), `action_mask` (bool, True = legal),
    `duration` (primitive steps the last action took; 1 after `reset`), `success`; at the end also
    `episode = {"r": discounted return, "l": primitive steps}`.

    A subclass sets `gamma` (per primitive step, for `episode["r"]`) and `max_steps`, and gives `_start`,
    `_transition`, `_scene`, `_goal`, `_menu`, `_vector` as functions of a hashable state. They must be pure
    (equal state, equal answer), because every answer is computed once and remembered.
    """

    # Declared as gymnasium declares it.
    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 2}  # noqa: RUF012
    gamma: float
    max_steps: int

    def __init__(self, n_actions: int, vector_high: np.ndarray, render_mode: str | None = None):
        modes = self.metadata["render_modes"]
        if render_mode is not None and render_mode not in modes:
            raise ValueError(unknown("render_mode", render_mode, modes))
        self.render_mode = render_mode
        self.action_space: Discrete = Discrete(n_actions)
        self.observation_space = Dict(
            scene=_text(4000),
            goal=_text(1000),
            vector=Box(0.0, np.asarray(vector_high, np.float32), dtype=np.float32),
        )
        self._state: Hashable = None
        self._steps = 0
        self._discounted_return = 0.0
        self._over = True
        self._last = START
        # The worlds are pure functions of the state, so what was computed once is looked up.
        self._views: dict[Hashable, View] = {}
        self._moves: dict[tuple[Hashable, int], tuple[Hashable, float, int, bool]] = {}

    # What a family provides ---------------------------------------------------------------------------------

    def _start(self) -> Hashable:
        raise NotImplementedError

    def _transition(self, state: Hashable, action: int) -> Outcome:
        raise NotImplementedError

    def _scene(self, state: Hashable) -> str:
        raise NotImplementedError

    def _goal(self, state: Hashable) -> str:
        raise NotImplementedError

    def _menu(self, state: Hashable) -> Menu:
        raise NotImplementedError

    def _vector(self, state: Hashable) -> np.ndarray:
        raise NotImplementedError

    def _ansi(self, state: Hashable) -> str:
        """The picture of a state in plain characters."""
        raise NotImplementedError

    def _picture(self, state: Hashable) -> np.ndarray:
        """The picture of a state as uint8 [height, width, 3], without the caption."""
        raise NotImplementedError

    # The gymnasium interface --------------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Start an episode. The worlds have no randomness: every episode starts in the same state."""
        super().reset(seed=seed)
        self._state = self._start()
        self._steps, self._discounted_return, self._over, self._last = 0, 0.0, False, START
        return self._shown()

    def step(self, action):
        """Take one action of the menu.

        A masked action behaves as the published environment does. Raises `gymnasium.error.InvalidAction` for
        anything that is not an index of the menu, `gymnasium.error.ResetNeeded` before `reset` and after the
        end of an episode.
        """
        if self._over:
            when = "before the first reset()" if self._state is None else "after the episode has ended"
            raise ResetNeeded(f"step() was called {when}. Call env.reset() first.")
        index = self._index(action)
        phrase = self._view(self._state).actions[index]
        self._state, reward, duration, success = self._move(self._state, index)
        self._discounted_return += self.gamma**self._steps * reward
        self._steps += duration
        self._last = Last(phrase, reward, duration, success)
        truncated = not success and self._steps >= self.max_steps
        self._over = success or truncated
        observation, info = self._shown()
        return observation, reward, success, truncated, info

    def snapshot(self) -> Snapshot:
        """The whole situation as a hashable value, for `restore`."""
        if self._state is None:
            raise ResetNeeded("snapshot() was called before the first reset(). Call env.reset() first.")
        return Snapshot(self._state, self._steps, self._discounted_return, self._over, self._last)

    def restore(self, snapshot: Snapshot):
        """Go back to a snapshot of the same kind of environment. Returns its observation and info."""
        if not isinstance(snapshot, Snapshot):
            raise TypeError(f"restore() takes what snapshot() returned, got {type(snapshot).__name__}.")
        self._state, self._steps, self._discounted_return, self._over, self._last = snapshot
        return self._shown()

    def render(self):
        """`rgb_array`: uint8 [height, width, 3]; `ansi`: str. Both carry scene, last action and reward."""
        if self.render_mode is None:
            gymnasium.logger.warn(
                'render() needs a render_mode: gymnasium.make(..., render_mode="rgb_array").'
            )
            return None
        if self._state is None:
            raise ResetNeeded("render() was called before the first reset(). Call env.reset() first.")
        scene, last = self._view(self._state).scene, self._last
        if self.render_mode == "ansi":
            did = "A new episode." if last.phrase is None else f"> {last.phrase}   reward {last.reward:+.4g}"
            return f"{self._ansi(self._state)}\n{scene}\n{did}\n"
        from .render import captioned

        return captioned(self._picture(self._state), scene, last.phrase, last.reward)

    def picture(self) -> np.ndarray:
        """The present state as uint8 [height, width, 3], without the caption that `render` adds."""
        return self._picture(self._state)

    # Helpers ------------------------------------------------------------------------------------------------

    def _view(self, state: Hashable) -> View:
        view = self._views.get(state)
        if view is None:
            actions, is_legal = self._menu(state)
            view = View(
                self._scene(state), self._goal(state), self._vector(state), actions, np.array(is_legal, bool)
            )
            if len(self._views) >= MEMORY:
                self._views.clear()
            self._views[state] = view
        return view

    def _move(self, state: Hashable, index: int) -> tuple[Hashable, float, int, bool]:
        """State after an action, reward discounted over its primitive steps, duration, success."""
        move = self._moves.get((state, index))
        if move is None:
            after, rewards, success = self._transition(state, index)
            reward = sum(self.gamma**k * r for k, r in enumerate(rewards))
            move = (after, float(reward), len(rewards), success)
            if len(self._moves) >= MEMORY:
                self._moves.clear()
            self._moves[state, index] = move
        return move

    def _shown(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Observation and info of this moment, in arrays of their own."""
        scene, goal, vector, actions, is_legal = self._view(self._state)
        last = self._last
        info: dict[str, Any] = {
            "actions": actions,
            "action_mask": is_legal.copy(),
            "duration": last.duration,
            "success": last.success,
        }
        if self._over:
            info["episode"] = {"r": self._discounted_return, "l": self._steps}
        return {"scene": scene, "goal": goal, "vector": vector.copy()}, info

    def _index(self, action) -> int:
        n = int(self.action_space.n)
        if type(action) is int and 0 <= action < n:
            return action
        try:
            if isinstance(action, (bool, np.bool_)):
                raise TypeError
            index = operator.index(action)
        except TypeError:
            index = None
        if index is None or not 0 <= index < n:
            got = f"{action!r} ({type(action).__name__})"
            menu = ", ".join(f"{i}: {phrase}" for i, phrase in enumerate(self._menu(self._state).actions))
            raise InvalidAction(
                f"Expected an action index, an integer from 0 to {n - 1}, got {got}. The menu here is {menu}."
            )
        return index


def _text(max_length: int) -> Text:
    return Text(max_length=max_length, min_length=0, charset=string.printable)


def unknown(what: str, got: object, known: Iterable[str]) -> str:
    """The message for a name that does not exist: what was got, the nearest known name, all known names."""
    names = {str(name).lower(): str(name) for name in known}
    near = difflib.get_close_matches(str(got).lower(), names, n=1)
    hint = f" Did you mean {names[near[0]]!r}?" if near else ""
    return f"Unknown {what} {got!r}.{hint} Known: {', '.join(map(repr, names.values()))}."
