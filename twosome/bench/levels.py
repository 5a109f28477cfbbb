"""PPO from a clone at a level of prices: return and calls of a question beside the exact ones, kind by kind."""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.bench import annotators
from twosome.bench.annotators import QUIET, grouped, mean, share
from twosome.bench.questions import exact, played, shown
from twosome.bench.runs import Job, quoted, run_dir

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.config.schema import TrainSettings


def jobs(cfg: DictConfig) -> list[Job]:
    """Seeds of one row beside each other, so that their seconds are of the same hour."""
    return [(row, level, seed) for row in cfg.rows for level in cfg.how[row].levels for seed in range(cfg.seeds)]


def asked(cfg: DictConfig, row: str, level: float, seed: int) -> dict[str, Any]:
    """What a run depends on. Raises `ConfigError` for an override that does not exist."""
    settings, how = settings_of(cfg, row, level, seed, Path("run")), cfg.how[row]
    return {
        "from": how.demonstrates, "experiments": list(cfg.experiments.values()), "steps": settings.total_steps,
        "sessions": cfg.sessions, "overrides": [*how.overrides, *cfg.overrides],
        "ppo": dataclasses.asdict(settings.ppo),
    }  # fmt: skip


def settings_of(cfg: DictConfig, row: str, level: float, seed: int, folder: Path) -> TrainSettings:
    """The settings of a run. Raises `ConfigError` for an override that does not exist."""
    from twosome.config.compose import compose

    how = cfg.how[row]
    clone = annotators.folder_of(cfg, how.demonstrates, level, seed)
    return compose([
        f"experiment={cfg.experiments.ppo}", f"env.kwargs.level={level}", f"seed={seed}", run_dir(folder),
        f"init={quoted(clone)}", *QUIET, *how.overrides, *cfg.overrides,
    ])  # fmt: skip


def measure(cfg: DictConfig, folder: Path, row: str, level: float, seed: int) -> dict[str, Any]:
    """Learn; then play greedily and sampled, beside the clone before, the best play and that of all tools.

    `unseen`: greedily with words of what is fresh that training never shows; `best_unseen`: the best play of those.
    """
    from twosome.bench.episodes import trained
    from twosome.systems.load import load, load_with_settings

    settings = settings_of(cfg, row, level, seed, folder / "run")
    clone = annotators.clone_of(settings, row)
    summary = trained(settings)
    policy, _ = load_with_settings(folder / "run")
    env = settings.env
    found = {how: played(policy, env, cfg.sessions, seed, greedy=how == "greedy") for how in ("greedy", "sampled")}
    found["clone"] = played(load(clone), env, cfg.sessions, seed, greedy=False)
    found |= {name: shown(env, cfg.sessions, seed, of) for name, of in (("best", "clean"), ("always", "always"))}
    other = dataclasses.replace(env, kwargs={**env.kwargs, "split": "test"})
    found["unseen"] = played(policy, other, cfg.sessions, seed, greedy=True)
    found["best_unseen"] = shown(other, cfg.sessions, seed, "clean")
    return {"decisions": summary["env_steps"], "seconds": summary["wall_seconds"], "exact": exact(env), **found}


def table(found: dict[Job, Any]) -> str:
    """Every row and level, over the seeds; returns as shares of the exact optimum."""
    lines = [
        "| row | level | optimum of a question | greedy, every seed | words never met | sampled | clone before | "
        "all tools, exact | calls a question, best: on average, on these sessions | greedy, every seed | all tools | "
        "fewer than all tools | right, greedy | all tools | rumours searched | nested right | calls in nested | "
        "decisions | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (row, level), results in grouped(found).items():
        known, greedy = results[0]["exact"], [r["greedy"] for r in results]
        calls = statistics.fmean(g["calls"] for g in greedy)
        cells = [
            f"{known['best']:.3f}",
            " ".join(f"{share(r, 'greedy'):.3f}" for r in results),
            mean([share(r, "unseen", "best_unseen") for r in results]),
            mean([share(r, "sampled") for r in results]),
            mean([share(r, "clone") for r in results]),
            f"{known['always'] / known['best']:.3f}",
            f"{known['best_calls']:.2f}, {mean([r['best']['calls'] for r in results])}",
            " ".join(f"{g['calls']:.3f}" for g in greedy),
            f"{known['always_calls']:.2f}",
            f"{1 - calls / known['always_calls']:.0%}",
            mean([g["right"] for g in greedy]),
            f"{known['always_right']:.3f}",
            mean([g["kinds"]["rumour"]["calls"] for g in greedy]),
            mean([g["kinds"]["nested"]["right"] for g in greedy]),
            mean([g["kinds"]["nested"]["calls"] for g in greedy]),
            f"{statistics.median(r['decisions'] for r in results):,.0f}",
            f"{statistics.median(r['seconds'] for r in results):.0f}",
        ]
        lines.append(f"| {row} | {level:g} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
