"""Task splitting as an environment: `Split(world=..., slots=..., depth=..., cost=...)`. Knows no world."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from ..agent.around import Around
from ..agent.inner import spaces_around, whole
from ..agent.menu import one_line
from ..arguments import unknown
from ..base import NO_STEP, LastStep, Menu
from ..parts import Parted
from . import stack
from .stack import Frames

WORK_ON, GIVE_UP = "work on: ", "give up: "
"""How the phrases of the two kinds of internal action begin."""

ROOM = 2000
"""Characters for what became of the parts; more is cut."""

MOST = 1000
"""Of slots, and of parts on the stack."""

ORDERS: Mapping[str, Any] = MappingProxyType({"id": "twosome/Orders-v0"})


class Progress(NamedTuple):
    """The agent's own part of the state; immutable, replaced at every step.

    frames: the stack; steps, discounted_return: primitive steps and return so far; last, was_internal: the last action,
    and whether it was an internal one.
    """

    frames: Frames
    steps: int = 0
    discounted_return: float = 0.0
    over: bool = False
    last: LastStep = NO_STEP
    was_internal: bool = False

    @property
    def state(self) -> Frames:
        """What picture and menu depend on."""
        return self.frames


class Split(Around[Progress]):
    """A world whose goal is split into parts, on a stack: each is worked on under its own goal.

    Menu: the world's actions under their own indices; `slots` entries `work on: <part>`, one for every part on offer;
    and one entry `give up: <part>` for the part on top of the stack. Unused entries are masked.

    - Nothing on the stack: the scene and the goal are the world's. While parts are on offer the world's own actions are
      masked; when none is (all are reached or given up), they are legal, as in the world.
    - A part on the stack: scene, goal and vector are those of the part (`Parted.observe`), so that a policy reads what
      it knows from a world that has this goal alone. The world's actions are legal, and its parts are on offer as long
      as the stack holds fewer than `depth`.
    - A part leaves the stack when the world says that it is reached (finished), when the world lists it no more
      (failed), or when it is given up; with it leaves whatever was above. What became of it is a sentence below the
      scene of the level that it was a part of. A part that was given up is on offer again when another part of the same
      level is reached.

    An internal action leaves the world as it is, has the reward -cost, lasts one primitive step and never ends the
    episode. Without a step of the world every part can be worked on and given up once only, so an episode of legal
    actions ends if the world's does; the world's own step limit counts its own steps only. An action that is masked
    here does nothing and lasts one step; one that the world masks does what it does there.

    The vector holds more numbers: how many parts are on the stack, and for every slot whether a part is on offer there.
    `info` has the keys of `twosome_envs.base.MenuEnv`, and `stack`: the parts on it, from the outside in. With `depth`
    0 the environment is the world: the same spaces, observations, infos and rewards.

    Args:
        world: `{"id": str, "kwargs": dict}` as for `gymnasium.make`, or an environment; it names its parts
            (`twosome_envs.parts.Parted`).
        slots: the most parts that are on offer at a time, 1 to 1000.
        depth: the most parts on the stack, at most 1000; 0 for no splitting.
        cost: what an internal action subtracts from the reward.
        gamma: discount per primitive step; only for a world without a `gamma` of its own.
        render_mode: `rgb_array`, `ansi` or None.

    Raises:
        TypeError: a world that names no parts, or no world of texts and menus.
        ValueError: a number out of range, `gamma` missing or twice, an unknown `render_mode`.
    """

    def __init__(
        self,
        world: Mapping[str, Any] | gymnasium.Env = ORDERS,
        slots: int = 2,
        depth: int = 1,
        cost: float = 0.0,
        *,
        gamma: float | None = None,
        render_mode: str | None = None,
    ):
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(unknown("render_mode", render_mode, self.metadata["render_modes"]))
        super().__init__(world, gamma, render_mode)
        if not isinstance(self.inner, Parted):
            raise TypeError(
                f"{self.inner} names no parts of its goal, so there is nothing to split: give it the two methods of "
                "twosome_envs.parts.Parted, parts(path) and observe(path)."
            )
        self._parts, self._observe = self.inner.parts, self.inner.observe
        self.slots, self.depth = whole("slots", slots, 1, MOST), whole("depth", depth, 0, MOST)
        self.cost = _checked(cost)
        n_inside = self.slots + 1 if self.depth else 0
        self._n_world, self.action_space, self.observation_space = spaces_around(
            self.world, n_inside, self.depth, ROOM + 1
        )
        self._now = Progress(stack.WHOLE, over=True)

    # The gymnasium interface ------------------------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Start an episode of the world, with `seed` and `options` as given, and nothing on the stack."""
        super().reset(seed=seed)
        observation, info = self.world.reset(seed=seed, options=options)
        self._now = Progress(stack.WHOLE)
        self._see(observation, info)
        return self._shown(info)

    def step(self, action):
        """Take one action of the menu.

        Raises `gymnasium.error.InvalidAction` for anything that is not an index of the menu, and
        `gymnasium.error.ResetNeeded` before `reset` and after the end of an episode.
        """
        index = self._index(action)
        is_legal, phrase = self._menu.is_legal[index], self._menu.actions[index]
        if index < self._n_here and (is_legal or not self._world_menu.is_legal[index]):
            return self._step_world(index, phrase)
        return self._step_inside(index, phrase, is_legal)

    def render(self):
        """As the world does, with the stack, the scene shown to the policy and the last action below."""
        if not self.depth:
            return self.world.render()
        path = " > ".join(stack.path_of(self._now.frames))
        return self._captioned(f"[{path}] {self._scene()}" if path else self._scene())

    # The two kinds of step --------------------------------------------------------------------------------------------

    def _step_world(self, index: int, phrase: str):
        frames = self._now.frames
        before = stack.reached(frames, self._parts)
        observation, reward, terminated, truncated, info = self.world.step(index)
        self._see(observation, info)
        last = LastStep(phrase, float(reward), int(info["duration"]), bool(info["success"]))
        frames = stack.settled(frames, before, self._parts)
        self._now = self._after(last, frames, was_internal=False)._replace(over=bool(terminated or truncated))
        observation, info = self._shown(info)
        return observation, reward, terminated, truncated, info

    def _step_inside(self, index: int, phrase: str, is_legal: bool):
        frames, reward = self._now.frames, 0.0
        if is_legal:
            is_push = index < self._n_here + self.slots
            frames = stack.pushed(frames, phrase.removeprefix(WORK_ON)) if is_push else stack.given_up(frames)
            reward = 0.0 - self.cost
        self._now = self._after(LastStep(phrase, reward, 1, False), frames, was_internal=True)
        observation, info = self._shown({"duration": 1, "success": False})
        return observation, reward, False, False, info

    # Helpers ----------------------------------------------------------------------------------------------------------

    def _after(self, last: LastStep, frames: Frames, *, was_internal: bool) -> Progress:
        """The progress with one more action accounted for."""
        now = self._now
        value = now.discounted_return + self.gamma**now.steps * last.reward
        return Progress(frames, now.steps + last.duration, value, last=last, was_internal=was_internal)

    def _check_own(self, own: Any) -> None:
        frames = own.frames if isinstance(own, Progress) else None
        if frames is None or len(frames) > self.depth + 1:
            got = "no stack" if frames is None else f"{len(frames) - 1} parts on the stack"
            raise ValueError(f"The snapshot has {got}, this agent room for {self.depth}: it is of another agent.")

    def _shown(self, info: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        now = self._now
        path = stack.path_of(now.frames)
        names = stack.offered(now.frames, self._parts) if len(path) < self.depth and not now.over else ()
        self._menu = self._joined(names, path) if self.depth else self._world_menu
        if not self.depth:
            return self._seen, info
        seen = self._observe(path) if path else self._seen
        more = [len(path), *(float(k < len(names)) for k in range(self.slots))]
        vector = np.append(seen["vector"], np.array(more, np.float32))
        info = {
            **info,
            "actions": self._menu.actions,
            "action_mask": np.array(self._menu.is_legal, bool),
            "stack": path,
        }
        if now.over:
            info["episode"] = {**info.get("episode", {}), "r": now.discounted_return, "l": now.steps}
        return {**seen, "scene": self._scene(), "vector": vector}, info

    def _scene(self) -> str:
        """What is seen of the frame on top, and what became of its parts."""
        frames = self._now.frames
        path = stack.path_of(frames)
        scene = (self._observe(path) if path else self._seen)["scene"]
        told = one_line(stack.told(frames[-1]), ROOM)
        return f"{scene}\n{told}" if told else scene

    def _joined(self, names: tuple[str, ...], path: tuple[str, ...]) -> Menu:
        """The whole menu: the world's, the parts on offer, and giving up the part on top."""
        if len(names) > self.slots:
            raise ValueError(
                f"{self.inner} has {len(names)} parts on offer, {', '.join(names)}, and slots={self.slots}: give "
                f"slots={len(names)}."
            )
        world, n = self._world_menu, self._n_here
        phrases = [WORK_ON + name for name in names]
        phrases += [f"(unused {n + k})" for k in range(len(names), self.slots)]
        phrases.append(GIVE_UP + path[-1] if path else f"(unused {n + self.slots})")
        menu = (*world.actions, *phrases)
        if len(set(menu)) < len(menu) or any(name != one_line(name) or not name for name in names):
            raise ValueError(
                f"{self.inner} names the parts {', '.join(map(repr, names))}: expected names on one line, no two "
                "alike, and no action of the world that is worded like them."
            )
        is_open = self._now.over or bool(path) or not names
        is_legal = [ok and is_open for ok in world.is_legal]
        return Menu(menu, (*is_legal, *(k < len(names) for k in range(self.slots)), bool(path) and not self._now.over))


def _checked(cost: object) -> float:
    """The cost, if it is a finite number of 0 or more. Raises `TypeError`, `ValueError`."""
    if isinstance(cost, bool) or not isinstance(cost, numbers.Real):
        raise TypeError(f"cost={cost!r}, expected a number: it is subtracted from the reward.")
    if not math.isfinite(cost) or cost < 0:
        raise ValueError(f"cost={cost}, expected a finite number of 0 or more: it is subtracted from the reward.")
    return float(cost)
