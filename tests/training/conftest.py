"""Small runs to look at and to continue."""

import shutil

import pytest

from tests.training.small_run import SMALL


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a finished run; not to be changed."""
    from twosome.config.compose import compose
    from twosome.training.loop import train
    from twosome.training.run_folder import open_run

    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(open_run(compose([*SMALL, f"run_dir={folder}"])))
    return folder


@pytest.fixture
def unfinished(finished, tmp_path):
    """A copy as if it had been killed before the summary was written."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    (folder / "summary.json").unlink()
    return folder
