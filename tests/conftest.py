"""What all tests share: shapes enforced in the pure modules, one thread, no network, and the helper `zoo`."""

import os
import sys
from pathlib import Path

import pytest
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
