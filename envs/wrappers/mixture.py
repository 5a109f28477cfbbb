"""Several worlds as one environment: every episode is played in one of them, drawn by the seed of `reset`.

One policy can so be trained on some tasks and then be tried on others:

>>> import gymnasium
>>> salads = [{"id": "twosome/Overcooked-v0", "kwargs": {"recipe": r}} for r in ("tomato salad", "onion salad")]
>>> env = gymnasium.make("twosome_envs:twosome/Mixture-v0", worlds=salads)
>>> sorted({env.reset(seed=seed)[0]["goal"] for seed in range(9)})
['Serve a bowl that holds only chopped onion.', 'Serve a bowl that holds only chopped tomato.']
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Dict


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

    Raises:
        ValueError: no world, an entry of another form, or worlds whose actions or vectors differ in number.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 2}  # noqa: RUF012  gymnasium's own form

    def __init__(self, worlds: Iterable[str | Mapping[str, Any]] = (), render_mode: str | None = None):
        self.render_mode = render_mode
        self.worlds: list[Any] = [_made(entry, render_mode) for entry in worlds]
        if not self.worlds:
            raise ValueError('worlds=[] has nothing to draw from: expected entries such as {"id": "twosome/TomatoSalad-v0"}.')
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
        """Draw a world and start an episode in it; equal seeds, equal episodes."""
        super().reset(seed=seed)
        self._which = int(self.np_random.integers(len(self.worlds)))
        return self.world.reset(seed=seed, options=options)

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
        self._which = snapshot.which
        return self.world.restore(snapshot.inner)

    def render(self):
        """As the world of this episode does."""
        return self.world.render()

    def picture(self) -> np.ndarray:
        """The present state without a caption, where the world draws itself."""
        return self.world.picture()

    def close(self):
        for world in self.worlds:
            world.close()


def _made(entry: str | Mapping[str, Any], render_mode: str | None) -> Any:
    if isinstance(entry, str):
        entry = {"id": entry}
    if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str) or not entry.keys() <= {"id", "kwargs"}:
        raise ValueError(f'A world of a mixture is {{"id": str, "kwargs": dict}} or an id, got {entry!r}.')
    return gymnasium.make(entry["id"], disable_env_checker=True, render_mode=render_mode, **(entry.get("kwargs") or {})).unwrapped
