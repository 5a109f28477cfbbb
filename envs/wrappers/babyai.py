"""BabyAI, and any other MiniGrid level, in words: a partial view of 7x7 cells and six primitive actions.

The view has the agent at column 3 of the last row, facing up: cell `[x, y]` is `6 - y` steps ahead and `x - 3` steps
to the right (negative: left). A cell hidden behind a wall or a closed door is never described.
"""

from __future__ import annotations

import contextlib
import difflib
import io
from typing import Any, NamedTuple, SupportsInt

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from ..arguments import missing, unknown
from .menu import MenuWrapper
from .third_party import Raw

KINDS = ("unseen", "empty", "wall", "floor", "door", "key", "ball", "box", "goal", "lava", "agent")
COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")
DOOR_STATES = ("open", "closed", "locked")
COMPASS = ("east", "south", "west", "north")
FREE = ("empty", "floor")
PORTABLE = ("key", "ball", "box")
SYMBOLS = dict(zip(KINDS, " .#.DKABG~.", strict=True))
LAST = 6  # the row of the agent
MIDDLE = 3  # the column of the agent
N_PRIMITIVES = 6  # turn left, turn right, go forward, pick up, drop, toggle; `done` (6) changes nothing


class Cell(NamedTuple):
    """One cell of the view."""

    kind: str
    colour: str
    state: str

    @property
    def is_free(self) -> bool:
        """Whether the agent can walk onto it."""
        return self.kind in (*FREE, "goal", "lava") or (self.kind == "door" and self.state == "open")

    @property
    def noun(self) -> str:
        """Without an article: `red ball`, `locked grey door`, `wall`."""
        if self.kind == "door":
            return f"{self.state} {self.colour} door"
        if self.kind == "goal":
            return f"{self.colour} goal square"
        return self.kind if self.kind in ("wall", "lava") else f"{self.colour} {self.kind}"


def cell(image: np.ndarray, ahead: int, right: int) -> Cell:
    """The cell `ahead` steps in front of the agent and `right` steps to its right; `unseen` outside the view."""
    x, y = MIDDLE + right, LAST - ahead
    if not (0 <= x <= LAST and 0 <= y <= LAST):
        return Cell("unseen", "red", "open")
    kind, colour, state = (int(v) for v in image[x, y])
    return Cell(KINDS[kind], COLOURS[colour], DOOR_STATES[state] if state < 3 else "open")


def carried(image: np.ndarray) -> Cell | None:
    """What the agent carries: the view shows it on the agent's own cell."""
    own = cell(image, 0, 0)
    return own if own.kind in PORTABLE else None


def describe(observation: dict[str, Any]) -> str:
    """The partial view in English: direction, carried object, cell in front, objects by distance, walls."""
    image = observation["image"]
    held = carried(image)
    hands = f"carry {_a(held.noun)}" if held else "carry nothing"
    sentences = [f"You face {COMPASS[observation['direction']]} and {hands}.", _front(image)]
    things = [
        (ahead + abs(right), -ahead, right, f"{_a(thing.noun)} {_place(ahead, right)}")
        for ahead in range(LAST + 1)
        for right in range(-MIDDLE, MIDDLE + 1)
        if (ahead, right) not in ((0, 0), (1, 0))
        and (thing := cell(image, ahead, right)).kind not in ("unseen", "empty", "floor", "wall", "agent")
    ]
    if things:
        sentences.append(f"You see {_listed([text for *_, text in sorted(things)])}.")
    else:
        sentences.append("You see nothing else.")
    walls = [text for text in (_wall(image, side) for side in ("ahead", "left", "right")) if text]
    if walls:
        sentences.append(f"There is {_listed(walls)}.")
    return " ".join(sentences)


def phrases(observation: dict[str, Any]) -> tuple[str, ...]:
    """The primitive actions, named by what they would act on here."""
    image = observation["image"]
    front, held = cell(image, 1, 0), carried(image)
    pick = f"pick up the {front.colour} {front.kind}" if front.kind in PORTABLE else "pick up"
    drop = f"drop the {held.colour} {held.kind}" if held else "drop"
    toggle = "toggle"
    if front.kind == "door":
        verb = {"open": "close", "closed": "open", "locked": "unlock"}[front.state]
        toggle = f"{verb} the {front.colour} door"
    elif front.kind == "box":
        toggle = f"open the {front.colour} box"
    return ("turn left", "turn right", "go forward", pick, drop, toggle)


def effective(observation: dict[str, Any]) -> tuple[bool, ...]:
    """Which primitive actions change anything here."""
    image = observation["image"]
    front, held = cell(image, 1, 0), carried(image)
    locked = front.kind == "door" and front.state == "locked"
    opens = not locked or (held is not None and held.kind == "key" and held.colour == front.colour)
    return (
        True,
        True,
        front.is_free,
        front.kind in PORTABLE and held is None,
        front.kind in FREE and held is not None,
        front.kind in ("door", "box") and opens,
    )


def sketch(observation: dict[str, Any]) -> str:
    """The view in characters: `^` the agent, blank what is unseen.

    # wall, D door (d: open), K key, A ball, B box, G goal, ~ lava; small letters after a symbol: its colour.
    """
    rows = []
    for ahead in range(LAST, -1, -1):
        row = ""
        for right in range(-MIDDLE, MIDDLE + 1):
            c = cell(observation["image"], ahead, right)
            colour = c.colour[:2] if c.kind in ("door", *PORTABLE) else "  "
            symbol = "d" if c.kind == "door" and c.state == "open" else SYMBOLS[c.kind]
            row += " ^   " if (ahead, right) == (0, 0) else f" {symbol}{colour} "
        rows.append(row.rstrip())
    return "\n".join(rows)


class BabyAI(MenuWrapper):
    """A MiniGrid level with a mission, by its own id.

    Args:
        level: any id that minigrid registers, such as `BabyAI-GoToRedBallGrey-v0` or `MiniGrid-DoorKey-5x5-v0`.
        legal: `effective`: only actions that change something; `all`: all six, always.
        gamma: discount per step, for `info["episode"]["r"]`. The reward is the level's own, 1 - 0.9 steps / limit.
        render_mode: `rgb_array` (the whole grid, drawn by minigrid) or `ansi` (the partial view in characters).
        **level_kwargs: for `gymnasium.make(level, ...)`, such as `max_steps`.

    Raises:
        ImportError: minigrid is not installed.
        ValueError: an unknown level, `legal` or `render_mode`; a level with fewer actions or another view.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(
        self,
        level: str = "BabyAI-GoToRedBallGrey-v0",
        *,
        legal: str = "effective",
        gamma: float = 0.99,
        render_mode: str | None = None,
        **level_kwargs: Any,
    ):
        try:
            import minigrid  # registers its levels
        except ImportError as error:
            raise ImportError(missing("minigrid", "minigrid")) from error
        levels = [name for name in gymnasium.registry if name.startswith(("BabyAI-", "MiniGrid-"))]
        if level not in levels:
            near = ", ".join(difflib.get_close_matches(level, levels, n=3, cutoff=0.3)) or levels[0]
            raise ValueError(
                f"Unknown level {level!r}; the nearest of the {len(levels)} that minigrid "
                f"{minigrid.__version__} has: {near}."
            )
        if legal not in ("effective", "all"):
            raise ValueError(unknown("legal", legal, ("effective", "all")))
        if render_mode not in (None, "ansi", "rgb_array"):
            raise ValueError(unknown("render_mode", render_mode, ("ansi", "rgb_array")))
        drawn = "rgb_array" if render_mode == "rgb_array" else None
        env = gymnasium.make(level, render_mode=drawn, disable_env_checker=True, **level_kwargs)
        n_actions, width = int(env.action_space.n), env.unwrapped.agent_view_size  # type: ignore[attr-defined]
        if n_actions < N_PRIMITIVES or width != LAST + 1:
            raise ValueError(
                f"Expected a level with the usual 7 actions and a view of 7x7, "
                f"{level!r} has {n_actions} and {width}x{width}."
            )
        super().__init__(
            _Primitive(env),
            describe=describe,
            goal=lambda observation: observation["mission"],
            phrases=phrases,
            legal=effective if legal == "effective" else None,
            vector=numbers,
            vector_space=Box(np.zeros(len(_HIGH), np.float32), _HIGH),
            gamma=gamma,
        )
        self.metadata = dict(type(self).metadata)
        self.render_mode = render_mode

    def render(self) -> Any:
        """The partial view as str (`ansi`), or minigrid's picture, uint8 [height, width, 3] (`rgb_array`)."""
        return sketch(self._raw) if self.render_mode == "ansi" else super().render()

    def _begin(self, seed: int, options: dict[str, Any]) -> Raw:
        with contextlib.redirect_stdout(io.StringIO()):  # minigrid prints every mission that it rejects
            return super()._begin(seed, options)


class _Primitive(gymnasium.ActionWrapper[Any, Any, Any]):
    """The six actions that have an effect, as plain integers, which minigrid compares faster than numpy's."""

    def __init__(self, env: gymnasium.Env[Any, Any]):
        super().__init__(env)
        self.action_space = gymnasium.spaces.Discrete(N_PRIMITIVES)

    def action(self, action: SupportsInt) -> int:
        """The action as a plain integer."""
        return int(action)


_HIGH = np.array([10, 5, 3] * (LAST + 1) ** 2 + [1] * 4, np.float32)


def numbers(observation: dict[str, Any]) -> np.ndarray:
    """float32 [151]: kind, colour and state of every cell, x major, then the direction as one of four."""
    direction = np.eye(4, dtype=np.float32)[observation["direction"]]
    return np.concatenate([observation["image"].ravel().astype(np.float32), direction])


def _front(image: np.ndarray) -> str:
    front = cell(image, 1, 0)
    if front.kind in FREE:
        return "The way ahead is clear."
    return f"Right in front of you is {_a(front.noun)}."


def _a(noun: str) -> str:
    return noun if noun == "lava" else f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _steps(n: int) -> str:
    return "1 step" if n == 1 else f"{n} steps"


def _place(ahead: int, right: int) -> str:
    side = "right" if right > 0 else "left"
    if right == 0:
        return f"{_steps(ahead)} ahead"
    if ahead == 0:
        return f"{_steps(abs(right))} to the {side}"
    return f"{_steps(ahead)} ahead and {abs(right)} to the {side}"


def _wall(image: np.ndarray, side: str) -> str:
    """The nearest wall in a straight line; empty if something is before it or it is right in front."""
    for n in range(1, LAST + 1):
        seen = cell(image, n, 0) if side == "ahead" else cell(image, 0, -n if side == "left" else n)
        if seen.kind == "wall":
            if side == "ahead":
                return "" if n == 1 else f"a wall {_steps(n)} ahead"
            return f"a wall {_steps(n)} to the {side}"
        if seen.kind not in FREE:
            return ""
    return ""


def _listed(items: list[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
