"""The contract of the environments of this package: a deterministic state machine with a menu of phrases.

A family of environments (overcooked, virtualhome) subclasses `MenuEnv` and implements pure functions of a hashable
state; this module turns them into a gymnasium environment: observations, menus, episode statistics, snapshots, errors.
It knows nothing about kitchens, homes or language models.
"""

from __future__ import annotations

import string
from collections.abc import Hashable
from typing import Any, Generic, NamedTuple, SupportsIndex, TypeVar

import gymnasium
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.spaces import Box, Dict, Discrete, Text

from .arguments import action_index, unknown

StateT = TypeVar("StateT", bound=Hashable)


class Menu(NamedTuple):
    """What can be done in a state: one phrase per action index, and whether it is legal (True = legal)."""

    actions: tuple[str, ...]
    is_legal: tuple[bool, ...]


class Outcome(NamedTuple, Generic[StateT]):
    """The result of one action. `rewards` holds one reward per primitive step, so its length is the duration.

    success: the goal is reached; failure: it cannot be reached any more. Either ends the episode.
    """

    state: StateT
    rewards: tuple[float, ...]
    success: bool
    failure: bool = False


class LastStep(NamedTuple):
    """The last action taken, for captions and `info`; `phrase` is None right after `reset`."""

    phrase: str | None
    reward: float
    duration: int
    success: bool


class Snapshot(NamedTuple, Generic[StateT]):
    """Everything that `restore` needs; hashable and cheap (a few references, nothing is copied).

    steps: primitive steps so far; over: whether the episode has ended.
    """

    state: StateT
    steps: int
    discounted_return: float
    over: bool
    last: LastStep


class View(NamedTuple):
    """All that is shown of a state: texts, vector float32 [size], phrases and mask bool [A]."""

    scene: str
    goal: str
    vector: np.ndarray
    actions: tuple[str, ...]
    is_legal: np.ndarray


Transition = tuple[StateT, float, int, bool, bool]
"""An outcome summed up: state, reward discounted over the primitive steps, duration, success, failure."""

NO_STEP = LastStep(None, 0.0, 1, False)

CACHE_SIZE = 1 << 14
"""Views, and transitions, that an environment caches; a full cache is emptied."""


class MenuEnv(gymnasium.Env[dict[str, Any], SupportsIndex], Generic[StateT]):
    """A gymnasium environment whose observation is text and whose actions are phrases.

    Observation: `{"scene": str, "goal": str, "vector": float32 [size]}`.
    `info`: `actions` (the phrase of every action index in this state), `action_mask` (bool [A], True = legal),
    `duration` (primitive steps the last action took; 1 after `reset`), `success`; at the end also
    `episode = {"r": discounted return, "l": primitive steps}`.

    A subclass sets `gamma` (per primitive step, for `episode["r"]`) and `max_steps` (primitive steps), and implements
    `_start`, `_transition`, `_scene`, `_goal`, `_menu`, `_vector` as functions of a hashable state. They must be pure
    (equal state, equal result), because results are cached.

    Args:
        n_actions: size A of the menu.
        vector_high: the largest values of the vector [size]; the smallest are 0.
        render_mode: `rgb_array`, `ansi` or None.

    Raises:
        ValueError: an unknown `render_mode`.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 2}  # noqa: RUF012
    gamma: float
    max_steps: int

    def __init__(self, n_actions: int, vector_high: np.ndarray, render_mode: str | None = None):
        modes = self.metadata["render_modes"]
        if render_mode is not None and render_mode not in modes:
            raise ValueError(unknown("render_mode", render_mode, modes))
        self.render_mode = render_mode
        self.action_space: Discrete = Discrete(n_actions)
        vector = Box(0.0, np.asarray(vector_high, np.float32), dtype=np.float32)
        self.observation_space = Dict(scene=_text(4000), goal=_text(1000), vector=vector)
        self._state: StateT | None = None
        self._steps = 0
        self._discounted_return = 0.0
        self._over = True
        self._last = NO_STEP
        self._views: dict[StateT, View] = {}
        self._transitions: dict[tuple[StateT, int], Transition[StateT]] = {}

    # What a subclass implements -----------------------------------------------------------------------------

    def _start(self) -> StateT:
        raise NotImplementedError

    def _transition(self, state: StateT, action: int) -> Outcome[StateT]:
        raise NotImplementedError

    def _scene(self, state: StateT) -> str:
        raise NotImplementedError

    def _goal(self, state: StateT) -> str:
        raise NotImplementedError

    def _menu(self, state: StateT) -> Menu:
        raise NotImplementedError

    def _vector(self, state: StateT) -> np.ndarray:
        raise NotImplementedError

    def _ansi(self, state: StateT) -> str:
        """The picture of a state in plain characters."""
        raise NotImplementedError

    def _picture(self, state: StateT) -> np.ndarray:
        """The picture of a state as uint8 [height, width, 3], without the caption."""
        raise NotImplementedError

    # The gymnasium interface --------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode and return observation and info.

        Every episode starts in the same state, unless `_start` draws one with `self.np_random`: then equal seeds start
        equal episodes. What follows has no randomness.
        """
        super().reset(seed=seed)
        self._state = self._start()
        self._steps, self._discounted_return, self._over, self._last = 0, 0.0, False, NO_STEP
        return self._observation_and_info(self._state)

    def step(self, action: SupportsIndex) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Take one action of the menu; a masked one behaves as in the published environment.

        Returns observation, reward (discounted over the action's primitive steps), terminated (success or failure),
        truncated (step limit without either), info.

        Raises:
            gymnasium.error.InvalidAction: the action is not an index of the menu.
            gymnasium.error.ResetNeeded: before `reset`, and after the end of an episode.
        """
        if self._over or self._state is None:
            when = "before the first reset()" if self._state is None else "after the episode has ended"
            raise ResetNeeded(f"step() was called {when}. Call env.reset() first.")
        index = self._index(action)
        phrase = self._view(self._state).actions[index]
        self._state, reward, duration, success, failure = self._cached_transition(self._state, index)
        self._discounted_return += self.gamma**self._steps * reward
        self._steps += duration
        self._last = LastStep(phrase, reward, duration, success)
        terminated = success or failure
        truncated = not terminated and self._steps >= self.max_steps
        self._over = terminated or truncated
        observation, info = self._observation_and_info(self._state)
        return observation, reward, terminated, truncated, info

    def snapshot(self) -> Snapshot[StateT]:
        """The current moment as a hashable value, for `restore`. Raises `ResetNeeded` before `reset`."""
        state = self._current("snapshot()")
        return Snapshot(state, self._steps, self._discounted_return, self._over, self._last)

    def restore(self, snapshot: Snapshot[StateT]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Go back to a snapshot of the same kind of environment, and return its observation and info.

        Raises:
            TypeError: not a snapshot of `MenuEnv`.
        """
        if not isinstance(snapshot, Snapshot):
            raise TypeError(f"restore() takes what snapshot() returned, got {type(snapshot).__name__}.")
        self._state, self._steps, self._discounted_return, self._over, self._last = snapshot
        return self._observation_and_info(snapshot.state)

    def render(self) -> np.ndarray | str | None:
        """The state with scene, last action and reward: uint8 [height, width, 3] (`rgb_array`) or str (`ansi`).

        None, with a warning, without a render mode. Raises `ResetNeeded` before `reset`.
        """
        if self.render_mode is None:
            gymnasium.logger.warn('render() needs a render_mode: gymnasium.make(..., render_mode="rgb_array").')
            return None
        state = self._current("render()")
        scene, last = self._view(state).scene, self._last
        if self.render_mode == "ansi":
            line = "A new episode." if last.phrase is None else f"> {last.phrase}   reward {last.reward:+.4g}"
            return f"{self._ansi(state)}\n{scene}\n{line}\n"
        from .render import captioned

        return captioned(self._picture(state), scene, last.phrase, last.reward)

    def picture(self) -> np.ndarray:
        """The current state as uint8 [height, width, 3], without the caption. Raises `ResetNeeded` before `reset`."""
        return self._picture(self._current("picture()"))

    def clear_cache(self) -> None:
        """Drop every cached view and transition, so that the next step computes them from the state again.

        Results never change by it. Caches shared by environments with equal settings are dropped for all of them.
        """
        self._views.clear()
        self._transitions.clear()

    # Helpers ------------------------------------------------------------------------------------------------

    def _current(self, call: str) -> StateT:
        """The current state. Raises `ResetNeeded`, in the name of a call, where there is none."""
        if self._state is None:
            raise ResetNeeded(f"{call} was called before the first reset(). Call env.reset() first.")
        return self._state

    def _view(self, state: StateT) -> View:
        view = self._views.get(state)
        if view is None:
            actions, is_legal = self._menu(state)
            scene, goal, vector = self._scene(state), self._goal(state), self._vector(state)
            view = View(scene, goal, vector, actions, np.array(is_legal, bool))
            if len(self._views) >= CACHE_SIZE:
                self._views.clear()
            self._views[state] = view
        return view

    def _cached_transition(self, state: StateT, index: int) -> Transition[StateT]:
        transition = self._transitions.get((state, index))
        if transition is None:
            after, rewards, success, failure = self._transition(state, index)
            reward = sum(self.gamma**k * r for k, r in enumerate(rewards))
            transition = (after, float(reward), len(rewards), success, failure)
            if len(self._transitions) >= CACHE_SIZE:
                self._transitions.clear()
            self._transitions[state, index] = transition
        return transition

    def _observation_and_info(self, state: StateT) -> tuple[dict[str, Any], dict[str, Any]]:
        """Observation and info of the current moment; the arrays are copies of their own."""
        scene, goal, vector, actions, is_legal = self._view(state)
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

    def _index(self, action: SupportsIndex) -> int:
        """An action as an index of the menu. Raises `InvalidAction`, with the menu, for anything else."""
        n = int(self.action_space.n)
        if type(action) is int and 0 <= action < n:  # the common case, checked fast
            return action
        index = action_index(action, n)
        if index is None:
            phrases = self._menu(self._current("step()")).actions
            menu = ", ".join(f"{i}: {phrase}" for i, phrase in enumerate(phrases))
            raise InvalidAction(
                f"Expected an action index, an integer from 0 to {n - 1}, got {action!r} ({type(action).__name__}). "
                f"The menu here is {menu}."
            )
        return index


def _text(max_length: int) -> Text:
    return Text(max_length=max_length, min_length=0, charset=string.printable)
