"""Settings that several tests look at, composed once."""

import functools

from twosome.config.compose import compose
from twosome.config.schema import TrainSettings


@functools.cache
def composed(choice: str) -> TrainSettings:
    """A command line; not to be changed."""
    return compose(choice.split())
