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
from typing import TYPE_CHECKING, Any, NamedTuple

from twosome.config.constraints import check_fields
from twosome.config.schema import EnvSettings
from twosome.errors import ConfigError, brief, number

if TYPE_CHECKING:
    from twosome.types import Menu

DEEPEST = 64  # levels of an environment's arguments
LONGEST_INDEX, LARGEST_SEED = 9, 2**32 - 1  # digits of an action's index; a seed
CACHED = 128  # menus whose lines are kept: searches meet the same ones over and over


class Script(NamedTuple):
    """What a transcript says to play: an environment, the seed of the episode, action indices."""

    settings: EnvSettings
    seed: int
    actions: list[int]


def head(settings: EnvSettings, seed: int) -> list[str]:
    """The first lines: which environment, which episode."""
    told = {key: value for key, value in dataclasses.asdict(settings).items() if key != "step_timeout"}
    return [f"env: {json.dumps(told, default=str)}", f"seed: {seed}"]


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
    found = re.match(r"env: (\{.*\})\nseed: ([0-9]{1,10})\n", text)
    try:
        settings = _settings(json.loads(found[1])) if found else None
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{source} is no transcript: its first line holds no settings: {brief(error)}") from error
    if found is None or settings is None:
        raise ConfigError(f"{source} is no transcript: its first lines must be 'env: {{...}}' and 'seed: ...'.")
    actions = re.findall(r"^> ([0-9]+) ", text, flags=re.MULTILINE)
    if max(map(len, actions), default=0) > LONGEST_INDEX or int(found[2]) > LARGEST_SEED:
        raise ConfigError(f"{source} is no transcript: it holds a seed or an action that no environment has.")
    return Script(settings, int(found[2]), list(map(int, actions)))


def _settings(told: dict[str, Any]) -> EnvSettings:
    """The settings of an environment that a first line tells. Raises `ValueError`, `TypeError`."""
    level: list[Any] = [told]
    for _ in range(DEEPEST):
        nests = (node.values() if isinstance(node, dict) else node for node in level if isinstance(node, (dict, list)))
        level = [child for nest in nests for child in nest]
    if level:
        raise ValueError(f"it is nested more than {DEEPEST} deep")
    settings = EnvSettings(**{key: value for key, value in told.items() if key != "step_timeout"})  # the reader's own
    if not isinstance(settings.id, str) or not isinstance(settings.kwargs, dict):
        raise ValueError("expected a text for `id` and a mapping for `kwargs`")
    number(settings.gamma, "gamma")
    if settings.optimum is not None:
        number(settings.optimum, "optimum")
    check_fields(settings, "env.")
    return settings


def one_line(text: str) -> str:
    """All white space as single spaces."""
    return " ".join(text.split())


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")
