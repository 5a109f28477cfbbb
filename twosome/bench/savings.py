"""What struck dead ends and batches of leaves save, at which success.

The policies are half trained (the tasks: those of the part `simulations` after half of PPO's steps) or trained on other
instances (the generated worlds); the search is PUCT.
"""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.bench import simulations
from twosome.bench.episodes import Played, instances, play, policy_at
from twosome.bench.runs import Job
from twosome.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.agents.llm_policy import LLMPolicy
    from twosome.config.schema import EnvSettings

HALF = 0.5
SUMMED = ("returned", "success", "leaves", "passes", "simulated", "struck", "torn_down")


def jobs(cfg: DictConfig) -> list[Job]:
    return [(world, seed) for world in (*cfg.envs, *cfg.worlds) for seed in range(cfg.seeds)]


def asked(cfg: DictConfig, world: str, seed: int) -> dict[str, Any]:
    """What a job depends on. Raises `ConfigError` for a number that cannot be."""
    from twosome.agents.planning import search_settings

    for n in cfg.savings.values():
        search_settings(simulations=n, batch=cfg.batch)
    return {"world": world, "seed": seed, "savings": dict(cfg.savings), "batch": cfg.batch}


def measure(cfg: DictConfig, folder: Path, world: str, seed: int) -> dict[str, Any]:
    """The same searches without dead ends struck, and with several leaves a pass."""
    policy, envs, n = _setting(cfg, world, seed)
    pruned, plain = ([play(policy, [env], seed, simulations=n, prune=prune) for env in envs] for prune in (True, False))
    batched = play(policy, envs, seed, simulations=n, batch=cfg.batch)
    came_back = [a["success"] and a["torn_down"] and not b["success"] for a, b in zip(pruned, plain, strict=True)]
    return {
        "simulations": n,
        "batch": cfg.batch,
        "episodes": len(envs),
        "pruned": _sums(pruned),
        "plain": _sums(plain),
        "batched": {"returned": batched["returned"] * len(envs), "passes": batched["passes"]},
        "only_by_backtracking": sum(map(bool, came_back)),
    }


def _sums(played: list[Played]) -> dict[str, float]:
    rows: list[dict[str, Any]] = [dict(p) for p in played]
    return {key: sum(row[key] for row in rows) for key in SUMMED}


def _setting(cfg: DictConfig, world: str, seed: int) -> tuple[LLMPolicy, list[EnvSettings], int]:
    from twosome.config.compose import compose

    if world in cfg.worlds:
        folder = Path(cfg.out).expanduser() / "generated" / world / f"seed{seed}"
        if not (folder / "result.json").exists():
            raise ConfigError(f"{folder} holds no finished run: do the part `generated` first.")
        how = cfg.generated[world]
        unseen = instances(compose([f"env={how.test}"]).env)[: how.instances]
        return policy_at(folder / "run", math.inf), unseen, cfg.savings.generated
    run, steps, _ = simulations.trained(cfg, world, seed)
    return policy_at(run, HALF * steps), [compose([f"env={world}"]).env], cfg.savings.tasks


def table(found: dict[Job, Any]) -> str:
    """Means over the seeds: what is pruned beside what is not, and a batch of leaves beside one."""
    lines = [
        "| world | seeds, episodes | return, success pruned | not pruned | leaves evaluated pruned / not | saved | "
        "struck, torn down | success only by backtracking | return of a batch, less that of one | "
        "passes of a batch / of one |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for world in dict.fromkeys(world for world, _ in found):
        results = [result for (w, _), result in found.items() if w == world]
        n = results[0]["episodes"]

        def mean(which: str, key: str, results: list[Any] = results) -> float:
            return statistics.fmean(r[which][key] for r in results)

        leaves = mean("pruned", "leaves"), mean("plain", "leaves")
        passes = mean("batched", "passes"), mean("pruned", "passes")
        lines.append(
            f"| {world} | {len(results)}, {n} | {mean('pruned', 'returned') / n:.4f}, "
            f"{mean('pruned', 'success') / n:.3f} | {mean('plain', 'returned') / n:.4f}, "
            f"{mean('plain', 'success') / n:.3f} | {leaves[0]:,.0f} / {leaves[1]:,.0f} | "
            f"{1 - leaves[0] / max(leaves[1], 1):.0%} | {mean('pruned', 'struck'):,.0f}, "
            f"{mean('pruned', 'torn_down'):,.0f} | {sum(r['only_by_backtracking'] for r in results)} | "
            f"{(mean('batched', 'returned') - mean('pruned', 'returned')) / n:+.4f} | "
            f"{passes[0]:,.0f} / {passes[1]:,.0f} = {passes[0] / max(passes[1], 1):.2f} |"
        )
    return "\n".join(lines) + "\n"
