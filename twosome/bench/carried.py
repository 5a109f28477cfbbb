"""PPO with a memory beside it: what that saves where it learns several tasks at once, and what it carries to others."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.bench.episodes import trained
from twosome.bench.iteration import median, reached, spread
from twosome.bench.runs import Job, run_dir

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.config.schema import TrainSettings

SHARE = 0.99


def jobs(cfg: DictConfig) -> list[Job]:
    return [(variant, seed) for seed in range(cfg.seeds) for variant in cfg.variants.carried]


def asked(cfg: DictConfig, variant: str, seed: int) -> dict[str, Any]:
    """What a run depends on. Raises `ConfigError` for a world or override that does not exist."""
    from twosome.config.compose import compose

    for env in cfg.carried.targets:
        compose([f"env={env}"])
    settings = settings_of(cfg, variant, seed, Path("run"))
    c = cfg.carried
    return {
        "variant": list(c.variants[variant]), "source": c.source, "targets": list(c.targets),
        "steps": settings.total_steps, "overrides": list(cfg.overrides), "episodes": cfg.episodes,
    }  # fmt: skip


def settings_of(cfg: DictConfig, variant: str, seed: int, folder: Path) -> TrainSettings:
    """The settings of one run. Raises `ConfigError` for a world or override that does not exist."""
    from twosome.config.compose import compose

    overrides = [f"env={cfg.carried.source}", *cfg.carried.variants[variant], f"seed={seed}", run_dir(folder)]
    size = compose([*overrides, *cfg.overrides])
    interval = max(1, cfg.eval_every // (size.num_envs * size.rollout_steps))
    return compose([
        "log.tensorboard=false", "log.decisions_per_update=0", "log.tracked_states=0",
        f"log.eval_episodes={cfg.carried.eval_episodes}", f"log.eval_interval={interval}",
        f"log.checkpoint_interval={interval}", f"log.stop_at={SHARE}", f"total_steps={cfg.carried.steps}",
        *overrides, *cfg.overrides,
    ])  # fmt: skip


def measure(cfg: DictConfig, folder: Path, variant: str, seed: int) -> dict[str, Any]:
    """Learn until every task is solved, then play each, and those that were never met."""
    from twosome.config.compose import compose
    from twosome.files import read_lines
    from twosome.rollout.evaluate import evaluate
    from twosome.systems.load import load

    summary = trained(settings_of(cfg, variant, seed, folder / "run"))
    policy = load(folder / "run")
    played = {}
    for name in (cfg.carried.source, *cfg.carried.targets):
        policy.clear_cache()
        result = evaluate(policy, compose([f"env={name}"]).env, cfg.episodes, seed)
        played[name] = {how: result[how]["return_mean"] for how in ("greedy", "sampled")}
    to = reached(list(read_lines(folder / "run" / "metrics.jsonl")), SHARE * summary["optimum"])
    return {"optimum": summary["optimum"], "decisions": summary["env_steps"], "to": to, "played": played}


def table(found: dict[Job, Any]) -> str:
    """Medians over the seeds of the decisions; sampled returns as shares of the return at home."""
    worlds = list(next(iter(found.values()))["played"])
    lines = [
        f"Learnt on {worlds[0]} until greedy episodes come to 99 % of the optimum; then greedy / sampled return, means "
        "over the seeds, and the least share of the sampled return at home.",
        "",
        "| policy | seeds at 99 % | decisions | seconds of a processor | " + " | ".join(worlds) + " |",
        "|---|---|---|---|" + "---|" * len(worlds),
    ]
    for variant in dict.fromkeys(variant for variant, _ in found):
        results = [result for (v, _), result in found.items() if v == variant]
        came = [r["to"] for r in results if r["to"]]
        most = max(r["decisions"] for r in results)
        decisions = median([r["to"] and r["to"]["decisions"] for r in results], most)
        cells = [decisions + spread([t["decisions"] for t in came])]
        cells.append(median([r["to"] and r["to"]["seconds"] for r in results]))
        for world in worlds:
            greedy, sampled = (
                statistics.fmean(r["played"][world][how] for r in results) for how in ("greedy", "sampled")
            )
            home = [r["played"][worlds[0]]["sampled"] for r in results]
            shares = [
                r["played"][world]["sampled"] / at_home for r, at_home in zip(results, home, strict=True) if at_home
            ]
            cells.append(
                f"{greedy:.4f} / {sampled:.4f} ({min(shares):.2f})" if shares else f"{greedy:.4f} / {sampled:.4f}"
            )
        lines.append(f"| {variant} | {len(came)} of {len(results)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
