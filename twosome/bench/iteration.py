"""Expert iteration beside PPO: decisions, simulated steps and seconds to the optimum.

Every job is an ordinary training run that ends when its policy alone, greedy, comes to `stop_at` of the optimum. All
its checkpoints are kept, one an evaluation. Seconds are of processor time, since runs share their machine, and those of
acting and learning: neither evaluating nor saving counts.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.bench.episodes import trained
from twosome.bench.runs import Job, run_dir

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.config.schema import TrainSettings

ALL = 1_000_000  # checkpoints to keep
SHARES = (0.95, 0.99)


def jobs(cfg: DictConfig) -> list[Job]:
    """Seeds of one world beside each other, so that their seconds are of the same hour."""
    return [(m, e, s) for e in cfg.envs for s in range(cfg.seeds) for m in cfg.methods]


def asked(cfg: DictConfig, method: str, env: str, seed: int) -> dict[str, Any]:
    """What a run depends on. Raises `ConfigError` for a method, world or override that does not exist."""
    settings = settings_of(cfg, method, env, seed, Path("run"))
    return {"steps": settings.total_steps, "stop_at": settings.log.stop_at, "overrides": list(cfg.overrides)}


def settings_of(cfg: DictConfig, method: str, env: str, seed: int, folder: Path) -> TrainSettings:
    """The settings of one run. Raises `ConfigError` for a method, world or override that does not exist."""
    from twosome.config.compose import compose

    overrides = [f"env={env}", f"method={method}", f"seed={seed}", run_dir(folder), *cfg.overrides]
    size = compose(overrides)
    interval = max(1, cfg.eval_every // (size.num_envs * size.rollout_steps))
    goal = "null" if size.env.optimum is None else cfg.stop_at
    looking = ["log.tensorboard=false", "log.decisions_per_update=0", "log.tracked_states=0"]
    evaluations = [f"log.eval_interval={interval}", "log.eval_episodes=1", f"log.checkpoint_interval={interval}"]
    budget = cfg.budget.get(env, cfg.budget.default)
    return compose([
        *looking, *evaluations, f"log.stop_at={goal}", f"log.keep_checkpoints={ALL}", f"total_steps={budget}",
        *overrides,
    ])  # fmt: skip


def measure(cfg: DictConfig, folder: Path, method: str, env: str, seed: int) -> dict[str, Any]:
    """Train, and say when the policy came to which share of the optimum, and what that took."""
    from twosome.files import read_lines

    summary = trained(settings_of(cfg, method, env, seed, folder / "run"))
    records = list(read_lines(folder / "run" / "metrics.jsonl"))
    optimum = summary["optimum"]
    return {
        "optimum": optimum,
        "decisions": summary["env_steps"],
        "greedy": summary["eval_after"]["greedy"]["return_mean"],
        "sampled": summary["eval_after"]["sampled"]["return_mean"],
        "to": {str(share): reached(records, share * optimum) for share in SHARES},
        "commit": summary["versions"].get("commit"),
    }


def reached(records: Sequence[dict[str, Any]], goal: float) -> dict[str, float] | None:
    """What the first evaluation with a greedy return of `goal` had taken; None where there is none."""
    seconds = 0.0
    for record in records:
        seconds += record["speed/processor_seconds"]
        if (record.get("eval/greedy_return") or -float("inf")) >= goal:
            simulated = record.get("search/simulated_steps", record.get("branches/simulated_steps", 0.0))
            return {"decisions": record["step"], "seconds": seconds, "simulated": simulated}
    return None


def table(found: dict[Job, Any]) -> str:
    """Medians over the seeds that came to 99 %; the others count as never."""
    lines = [
        "| world | method | seeds at 99 % | decisions to 95 % | decisions to 99 %, median (least to most) | "
        "steps simulated | seconds of a processor | sampled return then |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows: dict[tuple[Any, Any], list[Any]] = {}
    for (method, env, _), result in found.items():
        rows.setdefault((env, method), []).append(result)
    for (env, method), results in rows.items():
        there = [r["to"]["0.99"] for r in results]
        came = [t for t in there if t is not None]
        most = max(r["decisions"] for r in results)
        lines.append(
            f"| {env} | {method} | {len(came)} of {len(results)} | "
            f"{median([t and t['decisions'] for t in (r['to']['0.95'] for r in results)], most)} | "
            f"{median([t and t['decisions'] for t in there], most)}{spread([t['decisions'] for t in came])} | "
            f"{median([t and t['simulated'] for t in there])} | "
            f"{median([t and t['seconds'] for t in there])}{spread([t['seconds'] for t in came])} | "
            f"{statistics.median([r['sampled'] for r in results]):.4f} |"
        )
    return "\n".join(lines) + "\n"


def median(values: Sequence[float | None], most: float | None = None) -> str:
    """The median, None above all others; `> most` where that is the median."""
    middle = sorted(values, key=lambda v: float("inf") if v is None else v)[(len(values) - 1) // 2]
    if middle is None:
        return "-" if most is None else f"> {most:,.0f}"
    return f"{middle:,.0f}"


def spread(values: Sequence[float]) -> str:
    """The least and the most in brackets."""
    return f" ({min(values):,.0f} to {max(values):,.0f})" if len(values) > 1 else ""
