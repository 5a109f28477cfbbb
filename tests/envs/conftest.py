"""What several tests of the environments need."""

import gymnasium
import pytest
from twosome_envs.wrappers.menu import MenuWrapper


@pytest.fixture(scope="session")
def games(tmp_path_factory):
    """A folder for compiled text games, so that each is made once."""
    return tmp_path_factory.mktemp("games")


def frozen_lake(**kwargs):
    return MenuWrapper(
        gymnasium.make("FrozenLake-v1", is_slippery=True),
        describe=lambda cell: f"You stand in row {cell // 4}, column {cell % 4}.",
        goal="Cross the lake.",
        phrases=("go left", "go down", "go right", "go up"),
        **kwargs,
    )


@pytest.fixture(name="lake")
def _lake():
    """How to make a frozen lake with a menu, with further keyword arguments."""
    return frozen_lake
