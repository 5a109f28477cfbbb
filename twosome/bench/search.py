"""Thinking ahead: what a search adds to a policy, what it teaches, and what it costs.

    python -m twosome.bench search seeds=5 workers=2

    iteration     expert iteration beside PPO: decisions, simulated steps and seconds to the optimum
    simulations   return against simulations, of policies that have learnt for a part of their steps
    generated     worlds that draw their episode: learnt on some instances, tried on all the others
    savings       what struck dead ends and batches of leaves save
    orders        dishes learnt one at a time and ordered together: flat and split, with and without a search

`simulations` reads the checkpoints of `iteration`, `savings` those of `iteration` and `generated`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twosome.bench import generated, iteration, orders, savings, simulations
from twosome.bench.parts import check_parts, measure_all, parts_of
from twosome.bench.runs import check_listed, check_numbers, leave
from twosome.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

PARTS = parts_of(iteration, simulations, generated, savings, orders)


def main(argv: list[str]) -> None:
    """The command; `argv` are Hydra overrides of conf/search.yaml. Exits with 1 where a job has failed."""
    from twosome.cli import command

    command.run("search", lambda cfg: leave(bench(cfg)["failed"]), argv)


def bench(cfg: DictConfig) -> dict[str, Any]:
    """Do the jobs that are missing, then write `search.json` and `search.md` into `cfg.out`."""
    check_numbers(cfg, seeds=1, workers=1, eval_every=1, batch=1)
    check_listed(cfg, "parts", "envs", "methods", "worlds", "simulations", "with_playouts", "shares")
    check_parts(cfg, PARTS)
    for world in cfg.worlds:
        if world not in cfg.generated:
            raise ConfigError(
                f"worlds={list(cfg.worlds)}: generated has no entry for {world!r}. Add '+generated.{world}=...'"
            )
    return measure_all("search", PARTS, cfg)
