"""An adviser around a world: what asking earns, and how it falls, at every price while the world itself is learnt.

Every policy begins as a clone of a newcomer, who asks half of the time and follows, else does anything. The rivals
learn alone. The best that anyone earns is the world's own optimum, which nobody needs to ask for; the ends beside it
are who never asks and has learnt everything, and who always asks and has learnt nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.bench.annotators import QUIET, grouped
from twosome.bench.iteration import median, reached, spread
from twosome.bench.runs import Job, quoted, run_dir

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.config.schema import EnvSettings, TrainSettings

ASKS = "asks"
"""The row of those who may ask; the others learn alone."""


def jobs(cfg: DictConfig) -> list[Job]:
    """Seeds of one row and price beside each other, so that their seconds are of the same hour."""
    rows = [(ASKS, cost) for cost in cfg.advised.costs] + [(name, "-") for name in cfg.advised.alone]
    return [(row, cost, seed) for row, cost in rows for seed in range(cfg.seeds)]


def asked(cfg: DictConfig, row: str, cost: float | str, seed: int) -> dict[str, Any]:
    """What a run depends on. Raises `ConfigError` for an override that does not exist."""
    settings = settings_of(cfg, row, cost, seed, Path("run"))
    return {
        "experiments": [cfg.advised.clone, cfg.advised.ppo], "overrides": _overrides(cfg, row, cost),
        "steps": settings.total_steps, "every": cfg.advised.every,
    }  # fmt: skip


def settings_of(cfg: DictConfig, row: str, cost: float | str, seed: int, folder: Path) -> TrainSettings:
    """The settings of a run. Raises `ConfigError` for an override that does not exist."""
    from twosome.config.compose import compose

    begins = [f"init={quoted(folder.parent / 'clone')}"] if row == ASKS else []
    return compose([
        f"experiment={cfg.advised.ppo}", f"seed={seed}", run_dir(folder), *begins, *QUIET, "log.stop_at=null",
        f"log.eval_interval={cfg.advised.every}", "log.eval_episodes=1", *_overrides(cfg, row, cost),
    ])  # fmt: skip


def measure(cfg: DictConfig, folder: Path, row: str, cost: float | str, seed: int) -> dict[str, Any]:
    """Be shown how one asks, then learn at the price; or learn alone."""
    from twosome.bench.episodes import optimum_of, trained
    from twosome.config.compose import compose
    from twosome.files import read_lines

    shown = None
    if row == ASKS:
        clone = [f"experiment={cfg.advised.clone}", f"seed={seed}", run_dir(folder / "clone"), *QUIET, *cfg.overrides]
        shown = trained(compose(clone))
    settings = settings_of(cfg, row, cost, seed, folder / "run")
    summary = trained(settings)
    records, optimum = list(read_lines(folder / "run" / "metrics.jsonl")), optimum_of(settings.env)
    ends = {name: summary[f"eval_{name}"] for name in ("before", "after")}
    return {
        "optimum": optimum,
        "shown": 0 if shown is None else shown["env_steps"],
        "decisions": summary["env_steps"],
        "to": reached(records, 0.95 * optimum),
        "asking": _asking(records) if row == ASKS else [],
        "always": _always(settings.env) if row == ASKS else None,
        **{f"{how} {name}": end[how]["return_mean"] for name, end in ends.items() for how in ("greedy", "sampled")},
        "learning": _while_learning(records),
    }


def table(found: dict[Job, Any]) -> str:
    """Every row and price, over the seeds; returns as shares of the optimum."""
    lines = [
        "| row | price | always asking | greedy at the end, every seed | sampled | asks an episode, first tenth | last "
        "tenth | sampled return while learning | decisions to 95 %, greedy (shown before) | seconds of a processor |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (row, cost), results in grouped(found).items():
        best, there = results[0]["optimum"], [r["to"] for r in results]
        came, most = [t for t in there if t], max(r["decisions"] for r in results)
        decisions = median([t and t["decisions"] for t in there], most) + spread([t["decisions"] for t in came])
        cells = [
            "-" if results[0]["always"] is None else f"{results[0]['always'] / best:.3f}",
            " ".join(f"{r['greedy after'] / best:.3f}" for r in results),
            f"{statistics.fmean(r['sampled after'] / best for r in results):.3f}",
            *("-" if not results[0]["asking"] else _over([r["asking"][k] for r in results]) for k in (0, -1)),
            _over([r["learning"] / best for r in results]),
            f"{decisions} ({results[0]['shown']:,})",
            median([t and t["seconds"] for t in there]) + spread([t["seconds"] for t in came]),
        ]
        lines.append(f"| {row} | {cost} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _overrides(cfg: DictConfig, row: str, cost: float | str) -> list[str]:
    own = [f"agent.cost={cost}"] if row == ASKS else list(cfg.advised.alone[row])
    return [*own, *cfg.overrides]


def _asking(records: Sequence[dict[str, Any]]) -> list[float]:
    """Questions of an episode, in every tenth of the run: [10]; of the tenths that saw an episode end."""
    tenths: list[list[float]] = [[] for _ in range(10)]
    for record in records:
        if "agent/asked" in record:
            tenths[min(9, 10 * record["step"] // (records[-1]["step"] + 1))].append(record["agent/asked"])
    return [statistics.fmean(tenth) for tenth in tenths if tenth]


def _while_learning(records: Sequence[dict[str, Any]]) -> float:
    """The mean return of the episodes that it learnt from, prices taken off."""
    told = [record["return/mean"] for record in records if record.get("return/mean") is not None]
    return statistics.fmean(told) if told else float("nan")


def _always(env: EnvSettings) -> float:
    """What is earned by who asks wherever no advice stands, and follows."""
    from twosome.rollout.contract import make_env

    advised: Any = make_env(env).unwrapped
    [end] = advised.ends([env.kwargs["cost"]], seed=0)
    return float(end.always)


def _over(values: list[float]) -> str:
    """The mean over the seeds."""
    return f"{statistics.fmean(values):.2f}"
