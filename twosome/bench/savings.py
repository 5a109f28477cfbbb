"""What struck dead ends and batches of leaves save, at which success.

The policies are half trained (the tasks: those of the part `simulations` after half of PPO's steps) or trained on other
instances (the generated worlds); the search is PUCT. What dead ends save is compared at equal success: of every episode
the fewest simulations a decision, of 1, 2, 4 and so on, with which it comes to its end, with and without them.
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
COSTS = ("simulations", "simulated", "leaves")  # of the fewest that succeed: a decision's, an episode's, an episode's
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
    fewest = [_fewest(policy, envs, seed, n, prune=prune) for prune in (True, False)]
    came_back = [a["success"] and a["torn_down"] and not b["success"] for a, b in zip(pruned, plain, strict=True)]
    return {
        "simulations": n,
        "batch": cfg.batch,
        "episodes": len(envs),
        "pruned": _sums(pruned),
        "plain": _sums(plain),
        "batched": {"returned": batched["returned"] * len(envs), "passes": batched["passes"]},
        "fewest": {"pruned": fewest[0], "plain": fewest[1]},
        "only_by_backtracking": sum(map(bool, came_back)),
    }


def _fewest(
    policy: LLMPolicy, envs: list[EnvSettings], seed: int, most: int, *, prune: bool
) -> list[dict[str, float] | None]:
    """What the fewest simulations up to `most` with which an episode succeeds took; None where none do."""
    found: list[dict[str, float] | None] = []
    for env in envs:
        n = 1
        took: dict[str, float] | None = None
        while took is None and n <= most:
            played = play(policy, [env], seed, simulations=n, prune=prune)
            if played["success"]:
                took = {"simulations": n, "simulated": played["simulated"], "leaves": played["leaves"]}
            n *= 2
        found.append(took)
    return found


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
    return f"{_equal_budgets(found)}\n{_equal_success(found)}"


def _by_world(found: dict[Job, Any]) -> dict[str, list[Any]]:
    return {str(world): [result for (w, _), result in found.items() if w == world] for world, _ in found}


def _equal_budgets(found: dict[Job, Any]) -> str:
    lines = [
        "| world | seeds, episodes | simulations | return, success pruned | not pruned | struck, torn down | "
        "success only by backtracking | return of a batch, less that of one | passes of a batch / of one |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for world, results in _by_world(found).items():
        n = results[0]["episodes"]

        def mean(which: str, key: str, results: list[Any] = results) -> float:
            return statistics.fmean(r[which][key] for r in results)

        passes = mean("batched", "passes"), mean("pruned", "passes")
        lines.append(
            f"| {world} | {len(results)}, {n} | {results[0]['simulations']} | {mean('pruned', 'returned') / n:.4f}, "
            f"{mean('pruned', 'success') / n:.3f} | {mean('plain', 'returned') / n:.4f}, "
            f"{mean('plain', 'success') / n:.3f} | {mean('pruned', 'struck'):,.0f}, "
            f"{mean('pruned', 'torn_down'):,.0f} | {sum(r['only_by_backtracking'] for r in results)} | "
            f"{(mean('batched', 'returned') - mean('pruned', 'returned')) / n:+.4f} | "
            f"{passes[0]:,.0f} / {passes[1]:,.0f} = {passes[0] / max(passes[1], 1):.2f} |"
        )
    return "\n".join(lines) + "\n"


def _equal_success(found: dict[Job, Any]) -> str:
    lines = [
        "| at equal success | episodes | by both | only pruned, only not | simulations a decision, pruned / not | "
        "steps simulated | states asked of the model |",
        "|---|---|---|---|---|---|---|",
    ]
    for world, results in _by_world(found).items():
        pairs = [pair for r in results for pair in zip(r["fewest"]["pruned"], r["fewest"]["plain"], strict=True)]
        both = [(a, b) for a, b in pairs if a and b]
        only = [sum(bool(pair[k]) and not pair[1 - k] for pair in pairs) for k in (0, 1)]
        cells = []
        for cost in COSTS if both else ():
            one, other = (statistics.fmean(pair[k][cost] for pair in both) for k in (0, 1))
            cells.append(f"{one:,.1f} / {other:,.1f}, saved {1 - one / max(other, 1e-9):.0%}")
        lines.append(
            f"| {world} | {len(pairs)} | {len(both)} | {only[0]}, {only[1]} | {' | '.join(cells or ['-'] * 3)} |"
        )
    return "\n".join(lines) + "\n"
