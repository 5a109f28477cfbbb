"""The errors that a user can repair: each message says what was expected, what was got and the remedy.

Imports nothing.
"""

from __future__ import annotations


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
