"""What every environment around an environment has: the world inside, its discount, the seal, snapshots, pictures.

It knows nothing of what is added to the world.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded

from ..base import Menu
from .inner import Cached, Pictured, discount_of, made, restorable
from .menu import index_of
from .state import AgentSnapshot, OwnT


class Around(gymnasium.Env, Generic[OwnT]):
    """An environment around an environment, and not a `gymnasium.Wrapper`: its snapshot holds its own state as well.

    A subclass keeps its own part of the state in `_now` and implements `_shown`, `reset` and the steps.

    Args:
        world: `{"id": str, "kwargs": dict}` as for `gymnasium.make`, or an environment that meets the contract.
        gamma: discount per primitive step; only for a world without a `gamma` of its own.
        render_mode: the world's.

    Raises:
        TypeError: no world of texts and menus.
        ValueError: `gamma` missing or twice.
    """

    # Declared as gymnasium declares it; an instance has its world's.
    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 2}  # noqa: RUF012
    _now: OwnT
    _n_world: int

    def __init__(self, world: Mapping[str, Any] | gymnasium.Env, gamma: float | None, render_mode: str | None):
        self.world = made(world, render_mode)
        self.inner = self.world.unwrapped
        self.gamma = discount_of(self.inner, gamma)
        self.metadata, self.render_mode = self.world.metadata, self.world.render_mode
        self._sealed = False
        self._seen: dict[str, Any] = {}
        self._world_menu = self._menu = Menu((), ())

    def snapshot(self) -> AgentSnapshot[OwnT]:
        """The whole situation as a hashable value, for `restore`.

        Raises `NotImplementedError` where the world has no snapshots.
        """
        if not self._seen:
            raise ResetNeeded("snapshot() was called before the first reset(). Call env.reset() first.")
        return AgentSnapshot(restorable(self.world).snapshot(), self._now)

    def restore(self, snapshot: AgentSnapshot[OwnT]):
        """Go back to a snapshot of the same kind of environment; `sealed` stays. Returns observation and info."""
        if not isinstance(snapshot, AgentSnapshot):
            raise TypeError(f"restore() takes what snapshot() returned, got {type(snapshot).__name__}.")
        self._check_own(snapshot.own)
        observation, info = restorable(self.world).restore(snapshot.inner)
        self._now = snapshot.own
        self._see(observation, info)
        return self._shown({"duration": 1, "success": False} if self._now.was_internal else info)

    @property
    def sealed(self) -> bool:
        """True while somebody simulates: external actions then raise `SealedError`, and the menu stays as it is.

        Set it on `env.unwrapped`: a gymnasium wrapper keeps what is set on it to itself.
        """
        return self._sealed

    @sealed.setter
    def sealed(self, value: bool) -> None:
        self._sealed = bool(value)
        if isinstance(self.inner, Around):
            self.inner.sealed = value

    def picture(self) -> np.ndarray:
        """The world's present state, without the caption where it can do so."""
        picture: Any = self.inner.picture() if isinstance(self.inner, Pictured) else self.world.render()
        return picture

    def clear_cache(self) -> None:
        """Drop what the world keeps of computed results."""
        if isinstance(self.inner, Cached):
            self.inner.clear_cache()

    def close(self):
        self.world.close()

    # Helpers of the subclasses ----------------------------------------------------------------------------------------

    def _check_own(self, own: Any) -> None:
        """Raise `ValueError` for the own part of a snapshot that is of another environment."""
        raise NotImplementedError

    def _shown(self, info: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Observation and info of this moment; `info` holds what is known of the last action."""
        raise NotImplementedError

    @property
    def _n_here(self) -> int:
        """How many actions the world's menu has in this state, legal or not; `_n_world` at most."""
        return len(self._world_menu.actions)

    def _index(self, action: object) -> int:
        """The index that an argument of `step` names, if there is an episode to step."""
        if self._now.over:
            when = "after the episode has ended" if self._seen else "before the first reset()"
            raise ResetNeeded(f"step() was called {when}. Call env.reset() first.")
        return index_of(action, self._menu)

    def _see(self, observation: dict[str, Any], info: dict[str, Any]) -> None:
        """Keep what the world shows: internal actions leave it as it is."""
        missing = [key for key in ("actions", "duration", "success") if key not in info]
        if missing:
            raise ValueError(
                f"{self.world} gave an info without {', '.join(missing)}, which a world of menus has. "
                "twosome_envs.wrappers.menu.MenuWrapper gives any environment a menu."
            )
        phrases = tuple(info["actions"])
        menu = Menu(phrases, tuple(map(bool, info.get("action_mask", (True,) * len(phrases)))))
        if not 1 <= len(menu.actions) == len(menu.is_legal) <= self._n_world:
            n = f"{len(menu.actions)} phrases and a mask of {len(menu.is_legal)}"
            raise ValueError(f"{self.world} gave {n}, expected 1 to {self._n_world}, and as many of both.")
        self._seen, self._world_menu = observation, menu

    def _captioned(self, scene: str) -> Any:
        """What `render` gives: the world's own, with a scene and the last action below it."""
        last = self._now.last
        if self.render_mode == "ansi":
            line = "A new episode." if last.phrase is None else f"> {last.phrase}   reward {last.reward:+.4g}"
            return f"{self.world.render()}{scene}\n{line}\n"
        if self.render_mode == "rgb_array" and isinstance(self.inner, Pictured):
            from ..render import captioned

            return captioned(self.picture(), scene, last.phrase, last.reward)
        return self.world.render()
