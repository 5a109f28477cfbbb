"""Learners side by side: decisions, simulated steps and seconds to 95 % of the optimum, in every world.

All begin with nothing; in a world of `begins` with the clone of an annotator, whose figures are those before. Each run
ends when its policy, greedy, comes to `stop_at` of the optimum. Seconds are of processor time, those of acting and
learning. A method that this version does not have is left out, and said to be.
"""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.bench import annotators
from twosome.bench.annotators import QUIET, grouped
from twosome.bench.iteration import median, reached, spread
from twosome.bench.runs import Job, quoted, run_dir

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.config.schema import TrainSettings

LEARNING = {"twosome": ("ppo",), "qhead": ("q_head",), "expected": ("expected", "q_head"),
            "preference": ("preference",)}  # groups of settings that a method learns by  # fmt: skip


def jobs(cfg: DictConfig) -> list[Job]:
    """Seeds of one world beside each other, so that their seconds are of the same hour."""
    from twosome.config.schema import conf_dir

    there = [m for m in cfg.methods if (conf_dir() / "method" / f"{m}.yaml").is_file()]
    for method in cfg.methods:
        if method not in there:
            print(f"learners: method={method} is none of this version; its rows are left out.")
    left_out = [world for world in cfg.worlds if world in cfg.begins and "qhead" in there]
    if left_out:
        print(f"learners: method=qhead reads no adapter, so it cannot begin with a clone: left out in {left_out}.")
    return [(m, world, s) for world in cfg.worlds for s in range(cfg.seeds) for m in there
            if m != "qhead" or world not in left_out]  # fmt: skip


def asked(cfg: DictConfig, method: str, world: str, seed: int) -> dict[str, Any]:
    """What a run depends on. Raises `ConfigError` for a method, world or override that does not exist."""
    settings = settings_of(cfg, method, world, seed, Path("run"))
    overrides = [*cfg.in_world[world], *cfg.of_method.get(method, []), *cfg.overrides]
    return {
        "steps": settings.total_steps, "stop_at": settings.log.stop_at, "overrides": overrides,
        **({"from": cfg.begins[world]} if world in cfg.begins else {}),
        "learning": {name: dataclasses.asdict(getattr(settings, name)) for name in LEARNING.get(method, ())},
    }  # fmt: skip


def settings_of(cfg: DictConfig, method: str, world: str, seed: int, folder: Path) -> TrainSettings:
    """The settings of a run. Raises `ConfigError` for a method, world or override that does not exist."""
    from twosome.config.compose import compose

    overrides = [
        *cfg.in_world[world],
        f"method={method}",
        *cfg.of_method.get(method, []),
        f"seed={seed}",
        *cfg.overrides,
    ]
    if world in cfg.begins:
        overrides.append(f"init={quoted(annotators.folder_of(cfg, cfg.begins[world], 1, seed))}")
    size = compose(overrides)
    interval = max(1, cfg.eval_every // (size.num_envs * size.rollout_steps))
    return compose([
        *QUIET, f"log.eval_interval={interval}", f"log.stop_at={cfg.stop_at}",
        f"log.eval_episodes={cfg.episodes.get(world, 1)}", f"log.eval_episodes_final={cfg.episodes.final}",
        f"total_steps={cfg.budget.get(world, cfg.budget.default)}", run_dir(folder), *overrides,
    ])  # fmt: skip


def measure(cfg: DictConfig, folder: Path, method: str, world: str, seed: int) -> dict[str, Any]:
    """Let it learn, and say when the greedy policy came to the share of the optimum."""
    from twosome.bench.episodes import trained
    from twosome.files import read_lines

    settings = settings_of(cfg, method, world, seed, folder / "run")
    if world in cfg.begins:
        annotators.clone_of(settings, world)
    summary = trained(settings)
    records, optimum = list(read_lines(folder / "run" / "metrics.jsonl")), summary["optimum"]
    ends = {name: summary[f"eval_{name}"] for name in ("before", "after")}
    return {
        "optimum": optimum,
        "decisions": summary["env_steps"],
        "to": reached(records, settings.log.stop_at * optimum),
        **{f"{how} {name}": end[how]["return_mean"] for name, end in ends.items() for how in ("greedy", "sampled")},
    }


def table(found: dict[Job, Any]) -> str:
    """Medians over the seeds that came there; the others count as never. The control: the model before."""
    lines = [
        "| world | method | optimum | seeds at 95 % | decisions, median (least to most) | steps simulated | "
        "seconds of a processor | greedy at the end, every seed | sampled | before, sampled |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (method, world), results in sorted(grouped(found).items(), key=lambda row: row[0][1]):
        there = [r["to"] for r in results]
        came, best = [t for t in there if t], results[0]["optimum"]
        most = max(r["decisions"] for r in results)
        cells = [
            f"{best:.4g}",
            f"{len(came)} of {len(results)}",
            median([t and t["decisions"] for t in there], most) + spread([t["decisions"] for t in came]),
            median([t and t["simulated"] for t in there]),
            median([t and t["seconds"] for t in there]) + spread([t["seconds"] for t in came]),
            " ".join(f"{r['greedy after'] / best:.3f}" for r in results),
            f"{statistics.fmean(r['sampled after'] / best for r in results):.3f}",
            f"{statistics.fmean(r['sampled before'] / best for r in results):.3f}",
        ]
        lines.append(f"| {world} | {method} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
