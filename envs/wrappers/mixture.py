"""Several worlds as one environment: `reset` draws one of them for every episode.

One policy can thus be trained on several tasks and then be evaluated on others:

>>> import gymnasium
>>> salads = [{"id": "twosome/Overcooked-v0", "kwargs": {"recipe": r}} for r in ("tomato salad", "onion salad")]
>>> env = gymnasium.make("twosome_envs:twosome/Mixture-v0", worlds=salads)
>>> sorted({env.reset(seed=seed)[0]["goal"] for seed in range(9)})
['Serve a bowl that holds only chopped onion.', 'Serve a bowl that holds only chopped tomato.']
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, SupportsIndex, TypeGuard, cast

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Dict, Discrete, Text

Shown = tuple[dict[str, Any], dict[str, Any]]
"""Observation and info."""

Step = tuple[dict[str, Any], float, bool, bool, dict[str, Any]]
"""Observation, reward, terminated, truncated, info."""


class InnerSnapshot(Protocol):
    """The snapshot of a world: hashable, and it says what the state is."""

    @property
    def state(self) -> Hashable:
        """What scene and menu depend on."""


class InnerWorld(Protocol):
    """What a mixture needs of its worlds; `MenuEnv` has it."""

    action_space: Discrete
    observation_space: Dict

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Shown:
        """Start an episode."""

    def step(self, action: SupportsIndex) -> Step:
        """Take one action of the menu."""

    def snapshot(self) -> InnerSnapshot:
        """The current moment as a hashable value."""

    def restore(self, snapshot: InnerSnapshot) -> Shown:
        """Go back to a snapshot."""

    def render(self) -> np.ndarray | str | None:
        """The current state as a picture or in characters."""

    def picture(self) -> np.ndarray:
        """The current state as uint8 [height, width, 3], without a caption."""

    def clear_cache(self) -> None:
        """Drop every cached result."""

    def close(self) -> None:
        """Free what the world holds."""


class MixtureSnapshot(NamedTuple):
    """Which world the episode is in, and that world's snapshot."""

    which: int
    inner: InnerSnapshot

    @property
    def state(self) -> Hashable:
        """The state: which world, and its state."""
        return self.which, self.inner.state


class Mixture(gymnasium.Env[dict[str, Any], SupportsIndex]):
    """Worlds with equal sizes of the vector; everything else may differ, the number of actions too.

    A time limit that `gymnasium.make` puts around a world is dropped: the worlds truncate their episodes themselves.

    Args:
        worlds: one entry per world, with the arguments of `gymnasium.make`: `{"id": str, "kwargs": dict}`, or the id.
        render_mode: passed on to every world.

    Raises:
        ValueError: no world, an entry of another form, a world without a menu and a vector, or worlds whose sizes of
            the vector differ.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 2}  # noqa: RUF012

    def __init__(self, worlds: Sequence[str | Mapping[str, Any]] = (), render_mode: str | None = None):
        self.render_mode = render_mode
        if isinstance(worlds, (str, bytes)) or not isinstance(worlds, Sequence) or not worlds:
            raise ValueError(
                f"worlds={worlds!r} is not a list of worlds: "
                'expected entries such as {"id": "twosome/TomatoSalad-v0"}.'
            )
        self.worlds = [_make(entry, render_mode) for entry in worlds]
        first = self.worlds[0]
        for world in self.worlds[1:]:
            got, expected = (_vector_space(w).low.size for w in (world, first))
            if got != expected:
                raise ValueError(
                    f"{world} has {got} numbers in the vector, {first} has {expected}: the worlds of a mixture must "
                    "agree in that."
                )
        spaces: list[Discrete] = [_actions(world) for world in self.worlds]
        largest = max(spaces, key=lambda space: int(space.n))
        self.action_space = largest
        vectors = [_vector_space(world) for world in self.worlds]
        low, high = np.min([v.low for v in vectors], axis=0), np.max([v.high for v in vectors], axis=0)
        scene, goal = (_longest([world.observation_space[name] for world in self.worlds]) for name in ("scene", "goal"))
        self.observation_space = Dict(scene=scene, goal=goal, vector=Box(low, high, dtype=np.float32))
        self._which: int | None = None

    @property
    def world(self) -> InnerWorld:
        """The world of this episode. Raises `ResetNeeded` before the first `reset`."""
        if self._which is None:
            raise ResetNeeded("No world is drawn before the first reset(). Call env.reset() first.")
        return self.worlds[self._which]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Shown:
        """Draw a world and start an episode in it.

        Equal seeds lead to equal episodes, including the later ones that are reset without a seed.
        """
        super().reset(seed=seed)
        self._which = int(self.np_random.integers(len(self.worlds)))
        return self.world.reset(seed=int(self.np_random.integers(2**31)), options=options)

    def step(self, action: SupportsIndex) -> Step:
        """Take one action in the world of this episode, as its own `step` does."""
        return self.world.step(action)

    def snapshot(self) -> MixtureSnapshot:
        """The current moment as a hashable value, for `restore`. Raises `ResetNeeded` before `reset`."""
        inner = self.world.snapshot()
        assert self._which is not None
        return MixtureSnapshot(self._which, inner)

    def restore(self, snapshot: MixtureSnapshot) -> Shown:
        """Go back to a snapshot, whichever world it was taken in, and return its observation and info.

        Raises:
            TypeError: not a snapshot of a mixture.
            ValueError: a snapshot of a mixture of other worlds.
        """
        if not isinstance(snapshot, MixtureSnapshot):
            raise TypeError(f"restore() takes what snapshot() returned, got {type(snapshot).__name__}.")
        if type(snapshot.which) is not int or not 0 <= snapshot.which < len(self.worlds):
            raise ValueError(
                f"The snapshot is of world {snapshot.which!r} of another mixture; this one has {len(self.worlds)}."
            )
        shown = self.worlds[snapshot.which].restore(snapshot.inner)
        self._which = snapshot.which
        return shown

    def render(self) -> Any:
        """Whatever the world of this episode renders."""
        return self.world.render()

    def picture(self) -> np.ndarray:
        """The current state as uint8 [height, width, 3], without a caption, where the world has pictures."""
        return self.world.picture()

    def clear_cache(self) -> None:
        """Drop the cached results of every world."""
        for world in self.worlds:
            world.clear_cache()

    def close(self) -> None:
        """Close every world."""
        for world in self.worlds:
            world.close()


def _is_entry(entry: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether an entry is `{"id": str, "kwargs": dict without render_mode}`; `kwargs` may be missing."""
    if not isinstance(entry, Mapping) or not entry.keys() <= {"id", "kwargs"}:
        return False
    kwargs = entry.get("kwargs", {})
    return isinstance(entry.get("id"), str) and isinstance(kwargs, Mapping) and "render_mode" not in kwargs


def _make(entry: object, render_mode: str | None) -> InnerWorld:
    entry = {"id": entry} if isinstance(entry, str) else entry
    if not _is_entry(entry):
        raise ValueError(
            f'A world of a mixture must be {{"id": str, "kwargs": dict without render_mode}} or an id, got {entry!r}.'
        )
    kwargs = entry.get("kwargs", {})
    env = gymnasium.make(entry["id"], disable_env_checker=True, render_mode=render_mode, **kwargs).unwrapped
    spaces = env.observation_space
    has_texts = isinstance(spaces, Dict) and {"scene", "goal", "vector"} <= spaces.keys()
    if not has_texts or not isinstance(env.action_space, Discrete):
        raise ValueError(
            f"{entry['id']} has no texts and menu: it needs Discrete actions and an observation of scene, goal, vector."
        )
    return cast(InnerWorld, env)


def _vector_space(world: InnerWorld) -> Box:
    space = world.observation_space["vector"]
    assert isinstance(space, Box)
    return space


def _actions(world: InnerWorld) -> Discrete:
    space = world.action_space
    assert isinstance(space, Discrete)
    return space


def _longest(spaces: Sequence[gymnasium.Space[Any]]) -> Text:
    """The space of the longest texts."""
    return max((space for space in spaces if isinstance(space, Text)), key=lambda text: text.max_length)
