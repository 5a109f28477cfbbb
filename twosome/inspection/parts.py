"""What a decision is made of: words and their tokens; and the packages that only some views need."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import NamedTuple


class Token(NamedTuple):
    """A piece of text that is one token, and its log-probability given everything before it, in nats."""

    piece: str
    log_prob: float


class Word(NamedTuple):
    """A word of an action; its log-probability is the sum of its tokens'."""

    word: str
    log_prob: float
    tokens: tuple[Token, ...]


def optional(name: str) -> ModuleType:
    """An optional package, or an `ImportError` that says how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f'This view needs {name.split(".")[0]}: pip install "twosome[plot]".') from error
