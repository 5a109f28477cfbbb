"""One untrained policy and one short run, shared by the tests of what people look at."""

from pathlib import Path

import pytest

RUN = [
    "experiment=debug",
    "total_steps=1024",
    "seed=5",
    "log.probe_interval=2",
    "log.decisions_per_update=3",
]


@pytest.fixture(scope="session")
def policy():
    import twosome

    return twosome.load("tiny")


@pytest.fixture(scope="session")
def run_arguments() -> list[str]:
    return RUN


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory) -> Path:
    """The folder of a finished run of 16 updates on tomato salad."""
    from twosome.training.loop import main

    folder = tmp_path_factory.mktemp("run") / "short"
    main([*RUN, f"run_dir={folder}"])
    return folder


@pytest.fixture(scope="session")
def trained(run_dir):
    import twosome

    return twosome.load(run_dir)
