"""A rank that serves a policy of the zoo: `python -m tests.lm.served` is one process of several, started by hand."""

import json
import signal

from tests import zoo
from twosome.lm.ranks import serve


def engine(settings: str):
    """The engine of `zoo.policy` with these settings, as JSON."""
    return zoo.policy(**json.loads(settings)).engine


if __name__ == "__main__":
    import torch

    from twosome.lm.link import Link

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    serve(Link(), engine)
