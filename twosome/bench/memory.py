"""An experience memory: what it knows, what it learns, what reading adds, and what it carries to other worlds.

    python -m twosome.bench memory seeds=5 workers=2

    known      the exact values of one world as a memory, in worlds that were never met
    learnt     memories that learn while a frozen model plays, beside a table of Q-values
    carried    PPO with and without a memory beside it, on several tasks at once, then on others
    instructed memories of a few instructions of a shop, tried on a hundred others

Every table has the memory that does not read (`bias`), and the placebo: the same memory with its values handed out at
random.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twosome.bench import carried, instructed, known, learnt
from twosome.bench.parts import check_parts, measure_all, parts_of
from twosome.bench.runs import check_listed, check_numbers, leave
from twosome.config.names import near
from twosome.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

PARTS = parts_of(known, learnt, carried, instructed)


def main(argv: list[str]) -> None:
    """The command; `argv` are Hydra overrides of conf/memory.yaml. Exits with 1 where a job has failed."""
    from twosome.cli import command

    command.run("memory", lambda cfg: leave(bench(cfg)["failed"]), argv)


def bench(cfg: DictConfig) -> dict[str, Any]:
    """Do the jobs that are missing, then write `memory.json` and `memory.md` into `cfg.out`."""
    check_numbers(cfg, seeds=1, workers=1, eval_every=1, episodes=1)
    check_listed(cfg, "parts", "envs")
    check_listed(cfg.variants, *PARTS)
    check_parts(cfg, PARTS)
    for part in PARTS:
        names = list(cfg[part].variants)
        for variant in cfg.variants[part]:
            if variant not in names:
                raise ConfigError(
                    f"variants.{part}: unknown {variant!r}.{near(variant, names)} Known: {', '.join(names)}. "
                    f"Add one with \"+{part}.variants.NAME=['memory.tau=0.1']\"."
                )
    return measure_all("memory", PARTS, cfg)
