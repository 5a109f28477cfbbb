"""The menu of an agent: the world's entries first, then those of the internal actions, always as many."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable

import numpy as np
from gymnasium.error import InvalidAction

from ..base import Menu
from .internal_actions import AgentState, InternalAction


def joined(world: Menu, inside: Iterable[tuple[InternalAction, AgentState]], is_open: bool) -> Menu:
    """The world's menu and after it that of every internal action, all masked unless `is_open`.

    Raises `ValueError` where an internal action gives no menu, or a phrase that is there already.
    """
    phrases, is_legal = world
    known = set(phrases)
    for action, state in inside:
        own = padded(action, state, len(phrases))
        for phrase in own.actions:
            if phrase in known:
                raise ValueError(
                    f"The internal action {action.name!r} gave the phrase {phrase!r}, which the menu holds already, so "
                    "nobody can choose between the two: word it differently."
                )
            known.add(phrase)
        phrases, is_legal = phrases + own.actions, is_legal + tuple(is_open and ok for ok in own.is_legal)
    return Menu(phrases, is_legal)


def padded(action: InternalAction, state: AgentState, first: int) -> Menu:
    """The menu of an action in all its slots, the first of which is entry `first` of the whole menu.

    Raises `ValueError` for a menu that is none.
    """
    what, menu = f"The internal action {action.name!r} gave", action.menu(state)
    if not isinstance(menu, tuple) or len(menu) != 2 or isinstance(menu[0], str):
        raise ValueError(f"{what} {menu!r}, expected a Menu: its phrases, and a bool for each.")
    phrases, is_legal = menu
    if len(phrases) > action.slots or len(phrases) != len(is_legal):
        raise ValueError(
            f"{what} {len(phrases)} phrases and {len(is_legal)} answers for is_legal, expected as many of both and at "
            f"most its {action.slots} slots."
        )
    for phrase in phrases:
        if not isinstance(phrase, str) or not phrase or not _is_plain(phrase):
            raise ValueError(
                f"{what} the phrase {phrase!r}, expected printable text on one line without white space at its ends."
            )
    unused = tuple(f"(unused {first + k})" for k in range(len(phrases), action.slots))
    return Menu((*phrases, *unused), (*map(bool, is_legal), *(False for _ in unused)))


def one_line(text: str, longest: int | None = None) -> str:
    """A text on one line, without control characters, cut to `longest` characters. What went through once stays.

    >>> one_line("Use the\\n dry cloth.", 10)
    'Use th ...'
    """
    words = "".join(c if c.isprintable() else " " for c in text).split()
    line = " ".join(words)
    return line if longest is None or len(line) <= longest else f"{line[: longest - 4].rstrip()} ..."


@functools.lru_cache(maxsize=1 << 14)
def _is_plain(phrase: str) -> bool:
    """Whether a phrase is one line already; most are met again and again."""
    return phrase == one_line(phrase)


def index_of(action: object, menu: Menu) -> int:
    """The index that an argument of `step` names. Raises `gymnasium.error.InvalidAction` for anything else."""
    n = len(menu.actions)
    try:
        index = -1 if isinstance(action, (bool, np.bool_)) else operator.index(action)  # type: ignore[arg-type]
    except TypeError:
        index = -1
    if not 0 <= index < n:
        listed = ", ".join(f"{i}: {phrase}" for i, phrase in enumerate(menu.actions))
        raise InvalidAction(
            f"Expected an action index, an integer from 0 to {n - 1}, got {action!r} ({type(action).__name__}). "
            f"The menu here is {listed}."
        )
    return index
