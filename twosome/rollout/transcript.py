"""An episode as plain text: one writer and one reader for what people and faults leave behind. Pure.

env: {"id": ..., "kwargs": ..., "gamma": ..., "optimum": ...}
seed: 3
goal: ...

scene: ...
   0 pick up the tomato
> 0 pick up the tomato
reward 0.2, duration 3, return 0.2
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from twosome.config.schema import EnvSettings
from twosome.errors import ConfigError

if TYPE_CHECKING:
    from twosome.types import Menu

CACHED = 128  # menus whose lines are kept: searches meet the same ones over and over


class Script(NamedTuple):
    """What a transcript says to play: an environment, the seed of the episode, action indices."""

    settings: EnvSettings
    seed: int
    actions: list[int]


def head(settings: EnvSettings, seed: int) -> list[str]:
    """The first lines: which environment, which episode."""
    return [f"env: {json.dumps(dataclasses.asdict(settings), default=str)}", f"seed: {seed}"]


def goal_lines(goal: str, told: str | None) -> list[str]:
    """The goal, where it is another than what was told before: at the beginning, and where a task is split."""
    return [] if goal == told else [f"goal: {_indented(goal)}"]


def scene_lines(scene: str) -> str:
    """A scene, after an empty line."""
    return f"\nscene: {_indented(scene)}"


@lru_cache(CACHED)
def menu_lines(menu: Menu) -> str:
    """The legal actions, one a line."""
    pairs = zip(menu.indices, menu.phrases, strict=True)
    return "\n".join(f"  {index:2d} {one_line(phrase)}" for index, phrase in pairs)


def action_line(index: int, phrase: str) -> str:
    return f"> {index} {one_line(phrase)}"


def reward_line(reward: float, duration: int, discounted_return: float) -> str:
    return f"reward {reward:.6g}, duration {duration}, return {discounted_return:.6g}"


def joined(lines: Iterable[str]) -> str:
    """The whole text; it ends in a newline."""
    return "\n".join([*lines, ""])


def parse(text: str, source: str) -> Script:
    """The inverse. Raises `ConfigError` for a text that is no transcript; `source` names it."""
    found = re.match(r"env: (\{.*\})\nseed: (\d+)\n", text)
    try:
        settings = EnvSettings(**json.loads(found[1])) if found else None
    except (ValueError, TypeError):
        settings = None
    if found is None or settings is None:
        raise ConfigError(f"{source} is no transcript: its first lines must be 'env: {{...}}' and 'seed: ...'.")
    actions = [int(index) for index in re.findall(r"^> (\d+) ", text, flags=re.MULTILINE)]
    return Script(settings, int(found[2]), actions)


def one_line(text: str) -> str:
    """All white space as single spaces."""
    return " ".join(text.split())


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")
