"""A memory that knows one world exactly, and what a frozen model makes of it in others that it has never met."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.bench.exact_values import exact_memory, permuted
from twosome.bench.runs import Job

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.config.schema import TrainSettings


def jobs(cfg: DictConfig) -> list[Job]:
    return [(variant, seed) for variant in cfg.variants.known for seed in range(cfg.seeds)]


def asked(cfg: DictConfig, variant: str, seed: int) -> dict[str, Any]:
    """What a job depends on. Raises `ConfigError` for a world or override that does not exist."""
    from twosome.config.compose import compose

    for env in (cfg.known.source, *cfg.known.targets):
        compose([f"env={env}"])
    settings_of(cfg, variant, seed)
    known = cfg.known
    return {
        "variant": list(known.variants[variant]), "source": known.source, "targets": list(known.targets),
        "episodes": known.episodes, "placebo": variant in known.placebo, "overrides": list(cfg.overrides),
    }  # fmt: skip


def settings_of(cfg: DictConfig, variant: str, seed: int) -> TrainSettings:
    """The settings of one policy. Raises `ConfigError` for an override that does not exist."""
    from twosome.config.compose import compose

    known = cfg.known
    return compose([
        f"env={known.source}", "method=memory", f"seed={seed}", *cfg.overrides, *known.variants[variant],
    ])  # fmt: skip


def measure(cfg: DictConfig, folder: Path, variant: str, seed: int) -> dict[str, Any]:
    """Play where the memory is of, and everywhere else; the seed draws what is sampled."""
    from twosome.agents.remembering import Remembering
    from twosome.config.compose import compose
    from twosome.rollout.evaluate import evaluate
    from twosome.systems.build import build_policy, similarity_of

    settings = settings_of(cfg, variant, seed)
    records = exact_memory(settings.env, settings.memory)
    if variant in cfg.known.placebo:
        records = permuted(records, seed)
    policy = build_policy(settings, adapter=False)
    policy.remind(Remembering(records, similarity_of(settings.memory, policy), settings.memory))
    found = {}
    for name in (cfg.known.source, *cfg.known.targets):
        env = compose([f"env={name}"]).env
        policy.clear_cache()
        result = evaluate(policy, env, cfg.known.episodes, seed)
        found[name] = {
            "greedy": result["greedy"]["return_mean"], "sampled": result["sampled"]["return_mean"],
            "success": result["sampled"]["success_rate"], "optimum": env.optimum,
        }  # fmt: skip
    return found


def table(found: dict[Job, Any]) -> str:
    """Shares of the optimum, greedy and sampled: the mean over the seeds, the least in brackets."""
    worlds = list(next(iter(found.values())))
    lines = [
        f"The memory is of {worlds[0]}. Of the optimum, greedy / sampled: mean over the seeds, the least sampled.",
        "",
        "| policy | " + " | ".join(worlds) + " |",
        "|---|" + "---|" * len(worlds),
    ]
    for variant in dict.fromkeys(variant for variant, _ in found):
        results = [result for (v, _), result in found.items() if v == variant]
        cells = []
        for world in worlds:
            shares = {how: [r[world][how] / r[world]["optimum"] for r in results] for how in ("greedy", "sampled")}
            greedy, sampled = (statistics.fmean(shares[how]) for how in ("greedy", "sampled"))
            cells.append(f"{greedy:.3f} / {sampled:.3f} ({min(shares['sampled']):.3f})")
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
