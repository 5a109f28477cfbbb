"""A training run from its settings, in the order that tells mistakes soonest: settings, world, memory, model.

Starts without torch, so that the first line is there at once.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from twosome.config.check import advice
from twosome.errors import ConfigError
from twosome.rollout.first_look import first_look
from twosome.rollout.workers import Workers
from twosome.terminal import printable
from twosome.training.console import Console
from twosome.training.launched import is_one_of_several

if TYPE_CHECKING:
    from twosome.config.schema import TrainSettings
    from twosome.training.ranks import Ranks

log = logging.getLogger(__name__)


class Finished(NamedTuple):
    """A finished run: its folder, and what its `summary.json` holds."""

    folder: Path
    summary: dict[str, Any]


def start(cfg: TrainSettings, ranks: Ranks | None = None) -> Finished:
    """One training run, new or continued. Raises `TwosomeError` with the remedy, before the model where it can.

    `ranks`: the other processes that share the model's work, None without any.
    """
    _must_fit_processes(cfg, ranks)
    console = Console(cfg)
    console.opening()
    for sentence in advice(cfg):
        log.warning(sentence)
    play = cfg.log.max_failed_episodes == 0
    with Workers(cfg.num_workers) as workers:
        needs = {"demonstrates": cfg.method == "clone", "branches": cfg.method == "preference"}
        first_look(cfg.env, cfg.seed, play=play, workers=workers, **needs)
    from twosome.lm.footprint import must_fit
    from twosome.systems.remembered import initial_memory, other_discount
    from twosome.training.loop import train
    from twosome.training.run_folder import open_run

    if cfg.resume is None and cfg.memory.init is not None:
        found = initial_memory(cfg)
        print(printable(f"It begins with {found}. {other_discount(found, cfg.env.gamma)}".strip()))
    if cfg.resume is None and (made := must_fit(cfg)):
        print(printable(str(made)))
    run = open_run(cfg)
    return Finished(run.folder, train(run, console, ranks))


def _must_fit_processes(cfg: TrainSettings, ranks: Ranks | None) -> None:
    """Refuse several processes that have nothing to share. Raises `ConfigError`."""
    if ranks is None and is_one_of_several():
        raise ConfigError(
            "RANK and WORLD_SIZE are set, so this is one of several processes, each of which would train a run of its "
            "own. They share one as -m twosome.cli.train under torchrun or accelerate launch; twosome.train() works in "
            "one process."
        )
    if ranks is not None and cfg.method in ("mlp", "tabular"):
        raise ConfigError(f"method={cfg.method} has no language model whose work could be shared: start one process.")
