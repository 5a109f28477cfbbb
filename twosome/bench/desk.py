"""Asking at a price: what is learnt at the desk beside its exact optimum, at every price, whole and in part.

    python -m twosome.bench desk seeds=3 workers=2

    clones     policies that were shown the skills and asked at random; all that follows begins with them
    prices     PPO from a clone at a price: return, asking and its course along a session, on words never met
    advised    an adviser around a world: PPO from a clone that asks and follows, at a price, beside PPO alone
    answers    of thousands of answers, how often the right one is on the frozen model's shortlist, or proposed freely

Rows of `prices` beside the whole desk: without notes, memory, adviser or table; credit cut at every answer; no clone
before; an adviser who errs. The ends: always asking and never asking, else the best, played on the same sessions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twosome.bench import advised, answers, clones, prices
from twosome.bench.parts import check_parts, measure_all, parts_of
from twosome.bench.runs import check_listed, check_numbers, leave
from twosome.config.names import near
from twosome.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

PARTS = parts_of(clones, prices, advised, answers)


def main(argv: list[str]) -> None:
    """The command; `argv` are Hydra overrides of conf/desk.yaml. Exits with 1 where a job has failed."""
    from twosome.cli import command

    command.run("desk", lambda cfg: leave(bench(cfg)["failed"]), argv)


def bench(cfg: DictConfig) -> dict[str, Any]:
    """Do the jobs that are missing, then write `desk.json` and `desk.md` into `cfg.out`."""
    check_numbers(cfg, seeds=1, workers=1, sessions=2)
    check_listed(cfg, "parts", "rows")
    check_parts(cfg, PARTS)
    for row in cfg.rows:
        if row not in cfg.how:
            raise ConfigError(f"rows: unknown {row!r}.{near(row, list(cfg.how))} Known: {', '.join(cfg.how)}.")
        if (desk := cfg.how[row].desk) not in cfg.desks:
            known = f"{near(desk, list(cfg.desks))} Known: {', '.join(cfg.desks)}."
            raise ConfigError(f"how.{row}.desk: unknown {desk!r}.{known}")
    return measure_all("desk", PARTS, cfg)
