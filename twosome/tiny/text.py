"""A training text of the embedded models. Pure."""

from __future__ import annotations

from typing import NamedTuple

TEMPERATURE = 0.25  # of the policy that reads advice; word normalisation makes it flat at 1
PROMPT = "Goal: {goal}\nScene: {scene}\nNext action:"


class Text(NamedTuple):
    """One training text. `prompt`: characters up to where the action begins, 0 where there is none.

    `menu`: all actions to be learnt there. Training gives each the same weight, as drawing one at random does on
    average. `weight`: of a token of an action, None for that of the training; `context`: of every other token from
    character `told` on; those before it are not predicted.
    `given`: what stands between the prompt and each action, not predicted. `others`: actions that are not to be taken;
    where there are some, the policy over all of the menu is trained too.
    """

    text: str
    prompt: int
    source: str
    menu: tuple[str, ...] = ()
    weight: float | None = None
    context: float = 1.0
    told: int = 0
    given: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
