"""Tools at a price: what is learnt in the toolbox beside its exact optimum, from whom, and by which learner.

    python -m twosome.bench tools seeds=3 workers=2

    annotators   clones of annotators: of the best play at every level of prices, of those who err or use every tool
    levels       PPO from a clone at a level of prices: return and calls beside the exact ones, kind by kind
    learners     PPO, the Q head, the expected gradient and preferences: steps and seconds to 95 %, in the toolbox, from
                 nothing and from a clone, and on the benchmark tasks
    surprise     whether the frozen models' surprise orders the tools as exact rewards do

The controls: the annotator and the play of all tools, exact and on the same sessions; the policy before training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twosome.bench import annotators, learners, levels, surprise
from twosome.bench.parts import check_parts, measure_all, parts_of
from twosome.bench.runs import check_listed, check_numbers, leave
from twosome.config.names import near
from twosome.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

PARTS = parts_of(annotators, levels, learners, surprise)


def main(argv: list[str]) -> None:
    """The command; `argv` are Hydra overrides of conf/tools.yaml. Exits with 1 where a job has failed."""
    from twosome.cli import command

    command.run("tools", lambda cfg: leave(bench(cfg)["failed"]), argv)


def bench(cfg: DictConfig) -> dict[str, Any]:
    """Do the jobs that are missing, then write `tools.json` and `tools.md` into `cfg.out`."""
    check_numbers(cfg, seeds=1, workers=1, sessions=8, eval_every=1, questions=1)
    check_listed(cfg, "parts", "rows", "methods", "worlds", "models")
    check_parts(cfg, PARTS)
    known_to = {"rows": cfg.how, "worlds": cfg.in_world, "begins": cfg.in_world}
    for name, known in known_to.items():
        for row in cfg[name]:
            if row not in known:
                raise ConfigError(f"{name}: unknown {row!r}.{near(row, list(known))} Known: {', '.join(known)}.")
    return measure_all("tools", PARTS, cfg)
