"""A training text of the embedded models. Pure."""

from __future__ import annotations

from typing import NamedTuple

PROMPT = "Goal: {goal}\nScene: {scene}\nNext action:"


class Text(NamedTuple):
    """One training text. `prompt`: characters up to where the action begins, 0 where there is none.

    `menu`: all actions to be learnt there. Training gives each the same weight, as drawing one at random does on
    average. `weight`: of a token of an action, None for that of the training; `context`: of every other token.
    """

    text: str
    prompt: int
    source: str
    menu: tuple[str, ...] = ()
    weight: float | None = None
    context: float = 1.0
