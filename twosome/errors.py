"""The errors that a user can repair: each message says what was expected, what was got and the remedy.

Imports nothing of the project.
"""

from __future__ import annotations

import sys


class TwosomeError(Exception):
    """An error that a user can repair."""


class MenuError(TwosomeError, ValueError):
    """A menu, prompt or action that cannot be scored."""


class ContextLengthError(TwosomeError, ValueError):
    """A prompt and action that do not fit the model's context."""


class ConfigError(TwosomeError, ValueError):
    """A setting that cannot work."""


class ModelError(TwosomeError, OSError):
    """A model that cannot be found or loaded."""


class CheckpointError(TwosomeError, OSError):
    """A checkpoint or run folder that cannot be read, written or trusted."""


class EnvironmentFault(TwosomeError, RuntimeError):
    """An environment that broke the contract; `transcript` replays it, `name` tells it from other faults of the run."""

    name: str = ""
    transcript: str = ""


class NumericsError(TwosomeError, ArithmeticError):
    """Too many updates met a NaN or an infinity."""


class RankError(TwosomeError, ConnectionError):
    """Another of several processes that share a run has died, hangs, or failed."""


class Stopped(KeyboardInterrupt):
    """The run was asked to stop; `code` is what the process exits with: 128 + the signal's number."""

    def __init__(self, number: int, message: str):
        super().__init__(message)
        self.code = 128 + number


INVALID_CONTENT = (
    KeyError,
    ValueError,
    RuntimeError,
    TypeError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
)
"""What Python raises where the content of a file is not what it should be: caught at the border, told as one of the
above.
"""

MOST = 2**53  # that a counter in a file may claim: more are no number of a float


def brief(said: object, longest: int = 500) -> str:
    """A text on one line, within bounds, for a message that quotes what came from a file."""
    text = " ".join(str(said).split())
    return text if len(text) <= longest else f"{text[:longest]} ..."


def counter(value: object, name: str, least: int = 0) -> int:
    """A counter of a file's content. Raises `ValueError` for anything but a whole number within bounds."""
    if type(value) is not int or not least <= value < MOST:
        raise ValueError(f"{name} is {value!r:.80}, expected a whole number of {least} or more")
    return value


def number(value: object, name: str) -> float:
    """A number of a file's content, as it is. Raises `ValueError` for anything but a finite number."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) <= sys.float_info.max:
        raise ValueError(f"{name} is {value!r:.80}, expected a finite number")
    return value


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory has run out: of the accelerator, of torch on the CPU, of Python."""
    said = str(error)
    is_torch = type(error).__name__ == "OutOfMemoryError" or "DefaultCPUAllocator: can't allocate memory" in said
    return isinstance(error, MemoryError) or is_torch or "not enough memory" in said
