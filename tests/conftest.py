"""What all tests share: shapes enforced in the pure modules, one thread, no network, helper modules, one short run."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from jaxtyping import install_import_hook

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).parent))
PURE = ["twosome.lm.trie", "twosome.lm.normalize", "twosome.rl.advantages", "twosome.rl.losses"]
install_import_hook(PURE, "beartype.beartype")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Tiny models are slower on two threads than on one, on busy cores by far."""
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def untrained():
    """The policy of the embedded model before training."""
    import twosome

    return twosome.load("tiny")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """`made_once(name, fill)`: a folder that `fill` has filled, by the first of pytest-xdist's workers that asks."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent

    def folder_of(name, fill):
        folder, whole = place / name / "run", place / f"{name}.whole"
        with FileLock(place / f"{name}.lock"):
            if not whole.exists():
                fill(folder)
                whole.touch()
        return folder

    return folder_of


@pytest.fixture(scope="session")
def run_arguments() -> list[str]:
    """A short run on tomato salad: 8 updates."""
    return [
        "experiment=debug",
        "total_steps=512",
        "seed=5",
        "log.tracked_interval=2",
        "log.decisions_per_update=3",
    ]


@pytest.fixture(scope="session")
def run_dir(run_arguments, made_once) -> Path:
    """The folder of that run, finished; not to be changed."""
    from twosome.cli.train import main

    return made_once("short", lambda folder: main([*run_arguments, f"run_dir={folder}"]))


@pytest.fixture(scope="session")
def trained(run_dir):
    """The policy that it left."""
    import twosome

    return twosome.load(run_dir)


@pytest.fixture(scope="session")
def memory_run(made_once) -> Path:
    """The folder of a finished run of `method=memory` on tomato salad, to be copied before it is changed."""
    from twosome.cli.train import main

    sizes = ["num_envs=4", "rollout_steps=32", "total_steps=3072", "log.stop_at=null"]
    looks = ["log.eval_interval=24", "log.eval_episodes=1", "log.eval_episodes_final=2"]
    words = ["method=memory", "env=tomato_salad", *sizes, *looks]
    return made_once("remembers", lambda folder: main([*words, f"run_dir={folder}"]))
