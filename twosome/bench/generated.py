"""Worlds that draw their episode: learnt by expert iteration on one split, tried on every instance of the other.

The policy alone before and after; with a search; and, beside the search, the best of k episodes that the policy alone
samples, where k makes as many calls of the model.
"""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.bench.episodes import instances, optimum_of, play, policy_at, trained
from twosome.bench.runs import Job, run_dir

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.agents.llm_policy import LLMPolicy
    from twosome.config.schema import EnvSettings, TrainSettings


def jobs(cfg: DictConfig) -> list[Job]:
    return [(world, seed) for world in cfg.worlds for seed in range(cfg.seeds)]


def asked(cfg: DictConfig, world: str, seed: int) -> dict[str, Any]:
    """What a job depends on. Raises `ConfigError` for a method, world or override that does not exist."""
    from twosome.config.compose import compose

    compose([f"env={cfg.generated[world].test}"])
    steps = settings_of(cfg, world, seed, Path("run")).total_steps
    return {"steps": steps, **dict(cfg.generated[world]), "overrides": list(cfg.overrides)}


def settings_of(cfg: DictConfig, world: str, seed: int, folder: Path) -> TrainSettings:
    """The settings of one training run. Raises `ConfigError` for a world or override that does not exist."""
    from twosome.config.compose import compose

    how = cfg.generated[world]
    return compose([
        f"env={world}", f"method={how.method}", f"seed={seed}", run_dir(folder), f"total_steps={how.steps}",
        "log.tensorboard=false", "log.eval_interval=0", "log.stop_at=null", *cfg.overrides,
    ])  # fmt: skip


def measure(cfg: DictConfig, folder: Path, world: str, seed: int) -> dict[str, Any]:
    """Train on one split and play the other."""
    from twosome.config.compose import compose
    from twosome.files import read_lines

    run = folder / "run"
    summary = trained(settings_of(cfg, world, seed, run))
    simulated = list(read_lines(run / "metrics.jsonl"))[-1].get("search/simulated_steps", 0.0)
    how = cfg.generated[world]
    unseen = instances(compose([f"env={how.test}"]).env)[: how.instances]
    rows: dict[str, Any] = {}
    stages = {"before": 0.0, "after": math.inf}
    if seed:  # every seed begins with the same policy: a new adapter changes nothing
        del stages["before"]
    for name, steps in stages.items():
        policy = policy_at(run, steps)
        rows[name] = play(policy, unseen, seed)
        rows[f"{name}, search"] = play(policy, unseen, seed, simulations=how.simulations)
        rows[f"{name}, best of k"] = best_of(policy, unseen, seed, rows[f"{name}, search"]["passes"])
    optimum = statistics.fmean(optimum_of(env) for env in unseen)
    took = {"decisions": summary["env_steps"], "seconds": summary["wall_seconds"], "simulated": simulated}
    return {"optimum": optimum, "instances": len(unseen), "simulations": how.simulations, **took, "rows": rows}


def best_of(policy: LLMPolicy, envs: list[EnvSettings], seed: int, passes: int) -> dict[str, float]:
    """The best of k sampled episodes of every world, the mean over the worlds; k by the calls of the model."""
    from twosome.rollout.evaluate import run_episodes

    first = [run_episodes(policy, env, 1, greedy=False, seed=seed) for env in envs]
    calls = sum(e.decisions for [e] in first)  # one for every decision
    k = max(1, round(passes / calls))
    played = [run_episodes(policy, env, k, greedy=False, seed=seed) for env in envs]
    best = [max(episodes, key=lambda e: e.discounted_return) for episodes in played]
    return {
        "k": k,
        "returned": statistics.fmean(e.discounted_return for e in best),
        "success": statistics.fmean(e.success for e in best),
        "passes": sum(e.decisions for episodes in played for e in episodes),
    }


def table(found: dict[Job, Any]) -> str:
    """Mean over the seeds, least and most, of what the unseen instances gave."""
    lines = [
        "| world, unseen instances | seeds | policy | return (optimum) | success | calls of the model |",
        "|---|---|---|---|---|---|",
    ]
    for world in dict.fromkeys(world for world, _ in found):
        results = [result for (w, _), result in found.items() if w == world]
        first = results[0]
        for name in first["rows"]:
            rows = [r["rows"][name] for r in results if name in r["rows"]]
            label = name.replace("search", f"{first['simulations']} simulations")
            if "k" in rows[0]:
                label = label.replace("of k", f"of {' or '.join(sorted({str(r['k']) for r in rows}))} sampled")
            lines.append(
                f"| {world}, {first['instances']} | {len(rows)} | {label} | {_mean(rows, 'returned')} "
                f"({first['optimum']:.4f}) | {_mean(rows, 'success')} | "
                f"{statistics.fmean(r['passes'] for r in rows):,.0f} |"
            )
        decisions, simulated, seconds = (
            statistics.fmean(r[key] for r in results) for key in ("decisions", "simulated", "seconds")
        )
        lines.append(
            f"| {world} | | learnt in {decisions:,.0f} decisions, {simulated:,.0f} steps simulated, {seconds:,.0f} s "
            "| | | |"
        )
    return "\n".join(lines) + "\n"


def _mean(rows: list[dict[str, Any]], key: str) -> str:
    values = [r[key] for r in rows]
    return f"{statistics.fmean(values):.4f} ({min(values):.4f} to {max(values):.4f})"
