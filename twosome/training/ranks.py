"""The processes of one run: the first trains as it would alone, the others do a share of its model's work.

They are started by `torchrun` or `accelerate launch`, on one machine or several, and end with the first.
"""

from __future__ import annotations

import logging
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import torch

from twosome.agents.llm_policy import LLMPolicy
from twosome.config.saved import from_yaml, to_yaml
from twosome.config.schema import TrainSettings
from twosome.errors import ConfigError
from twosome.lm.engine import Engine
from twosome.lm.link import Link, Message
from twosome.lm.ranks import Peer, serve, share
from twosome.protocols import TrainedPolicy
from twosome.systems.build import build
from twosome.training.interrupt import SIGNALS


class Ranks:
    """The other processes, as the first sees them; for one run after the other."""

    def __init__(self, link: Link):
        self.link = link
        self.peers = [Peer(link, rank) for rank in range(1, link.size)]

    def begin(self, cfg: TrainSettings) -> None:
        """Have the others load the model, which this one may do meanwhile."""
        self.link.seconds = cfg.rank_timeout
        for peer in self.peers:
            peer.ask(Message({"do": "build", "settings": to_yaml(cfg)}))

    def share(self, policy: TrainedPolicy) -> None:
        """Have the others do a share of a policy's passes from now on. Raises `TwosomeError` where they cannot."""
        if not isinstance(policy, LLMPolicy):
            raise ConfigError("Only a language model's work is shared among processes: start one process.")
        policy.engine = share(policy.engine, self.peers)


@contextmanager
def joined() -> Iterator[Ranks | None]:
    """The processes of this run, for the first of them; any other serves it until it ends, and gets None."""
    link = Link()
    try:
        if link.rank == 0:
            yield Ranks(link)
        else:
            with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
                _keep_quiet()
                serve(link, _engine)
            yield None
    finally:
        link.close()


def _keep_quiet() -> None:
    """The first process speaks for all. It also decides when to stop: a signal that reaches all is for that one."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _engine(settings: str) -> Engine:
    """The engine that the first process has, on this one's device."""
    cfg = from_yaml(settings)
    if torch.cuda.is_available() and cfg.model.device in ("auto", "cuda"):
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        cfg.model.device = str(device)
    policy = build(cfg, torch.Generator()).policy
    assert isinstance(policy, LLMPolicy)
    return policy.engine
