"""Several worlds as one environment: every episode is played in one of them, drawn by the seed of `reset`.

One policy can so be trained on some tasks and then be tried on others:

>>> import gymnasium
>>> salads = [{"id": "twosome/Overcooked-v0", "kwargs": {"recipe": r}} for r in ("tomato salad", "onion salad")]
>>> env = gymnasium.make("twosome_envs:twosome/Mixture-v0", worlds=salads)
>>> sorted({env.reset(seed=seed)[0]["goal"] for seed in range(9)})
['Serve a bowl that holds only chopped onion.', 'Serve a bowl that holds only chopped tomato.']
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Dict, Discrete


class MixtureSnapshot(NamedTuple):
    """Which world, and its own snapshot."""

    which: int
    inner: Any

    @property
    def state(self) -> Hashable:
        """What the present picture and menu depend on."""
        return self.which, self.inner.state


class Mixture(gymnasium.Env):
    """Worlds with as many actions and as long a vector as each other; all else may differ.

    Args:
        worlds: what `gymnasium.make` takes, one entry a world: `{"id": str, "kwargs": dict}`, or the id alone.

    A time limit that `gymnasium.make` puts around a world is not kept: the worlds here end their episodes themselves.

    Raises:
        ValueError: no world, an entry of another form, a world without a menu of actions and a vector, or worlds whose actions or
            vectors differ in number.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 2}  # noqa: RUF012  gymnasium's own form

    def __init__(self, worlds: Sequence[str | Mapping[str, Any]] = (), render_mode: str | None = None):
        self.render_mode = render_mode
        if isinstance(worlds, (str, bytes)) or not isinstance(worlds, Sequence) or not worlds:
            raise ValueError(f'worlds={worlds!r} has nothing to draw from: expected a list of entries such as {{"id": "twosome/TomatoSalad-v0"}}.')
        self.worlds: list[Any] = [_made(entry, render_mode) for entry in worlds]
        first = self.worlds[0]
        for world in self.worlds[1:]:
            for what, got, expected in (
                ("actions", world.action_space.n, first.action_space.n),
                ("numbers in the vector", *(w.observation_space["vector"].shape[0] for w in (world, first))),
            ):
                if got != expected:
                    raise ValueError(f"{world} has {got} {what}, {first} has {expected}: the worlds of a mixture agree in both.")
        self.action_space = first.action_space
        spaces = [w.observation_space for w in self.worlds]
        vectors = [space["vector"] for space in spaces]
        low, high = np.min([v.low for v in vectors], axis=0), np.max([v.high for v in vectors], axis=0)
        texts = {name: max((s[name] for s in spaces), key=lambda text: text.max_length) for name in ("scene", "goal")}
        self.observation_space = Dict(**texts, vector=Box(low, high, dtype=np.float32))
        self._which: int | None = None

    @property
    def world(self) -> Any:
        """The world of this episode. Raises `ResetNeeded` before the first."""
        if self._which is None:
            raise ResetNeeded("No world is drawn before the first reset(). Call env.reset() first.")
        return self.worlds[self._which]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Draw a world and start an episode in it: equal seeds, equal episodes, those that follow without a seed too."""
        super().reset(seed=seed)
        self._which = int(self.np_random.integers(len(self.worlds)))
        return self.world.reset(seed=int(self.np_random.integers(2**31)), options=options)

    def step(self, action):
        """As the world of this episode does."""
        return self.world.step(action)

    def snapshot(self) -> MixtureSnapshot:
        """The whole situation as a hashable value, for `restore`."""
        inner = self.world.snapshot()
        assert self._which is not None
        return MixtureSnapshot(self._which, inner)

    def restore(self, snapshot: MixtureSnapshot):
        """Go back to a snapshot, whichever world it was taken in. Returns its observation and info."""
        if not isinstance(snapshot, MixtureSnapshot):
            raise TypeError(f"restore() takes what snapshot() returned, got {type(snapshot).__name__}.")
        if type(snapshot.which) is not int or not 0 <= snapshot.which < len(self.worlds):
            raise ValueError(f"The snapshot is of world {snapshot.which!r}, here are {len(self.worlds)}: it is of another mixture.")
        shown = self.worlds[snapshot.which].restore(snapshot.inner)
        self._which = snapshot.which
        return shown

    def render(self):
        """As the world of this episode does."""
        return self.world.render()

    def picture(self) -> np.ndarray:
        """The present state without a caption, where the world draws itself."""
        return self.world.picture()

    def close(self):
        for world in self.worlds:
            world.close()


def _made(entry: Any, render_mode: str | None) -> Any:
    entry = {"id": entry} if isinstance(entry, str) else entry
    kwargs: Any = entry.get("kwargs", {}) if isinstance(entry, Mapping) else None
    is_good = isinstance(kwargs, Mapping) and isinstance(entry.get("id"), str) and entry.keys() <= {"id", "kwargs"}
    if not is_good or "render_mode" in kwargs:
        raise ValueError(f'A world of a mixture is {{"id": str, "kwargs": dict without render_mode}} or an id, got {entry!r}.')
    world: Any = gymnasium.make(entry["id"], disable_env_checker=True, render_mode=render_mode, **kwargs).unwrapped
    spaces = world.observation_space
    if not isinstance(world.action_space, Discrete) or not isinstance(spaces, Dict) or not {"scene", "goal", "vector"} <= spaces.keys():
        raise ValueError(f"{entry['id']} is no world of texts and menus: it needs Discrete actions and scene, goal and vector to observe.")
    return world
