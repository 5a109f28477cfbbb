"""Whether `torchrun` or `accelerate launch` started this process beside others. Needs no torch."""

from __future__ import annotations

import os


def is_one_of_several() -> bool:
    """Whether the launchers' variables say that there are other processes of this run."""
    size = os.environ.get("WORLD_SIZE", "")
    return "RANK" in os.environ and size.isdecimal() and int(size) > 1
