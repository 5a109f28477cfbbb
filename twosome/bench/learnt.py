"""A memory that is learnt while a frozen model plays, beside a table of Q-values: decisions to shares of the optimum.

At the end: what it plays, the same with its values handed out at random (the placebo), and how far its values are from
the exact ones.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.bench.episodes import trained
from twosome.bench.exact_values import error, permuted, values_as_told
from twosome.bench.iteration import median, reached, spread
from twosome.bench.runs import Job, run_dir

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.config.schema import TrainSettings

SHARES = (0.9, 0.99)


def jobs(cfg: DictConfig) -> list[Job]:
    """Seeds of one world beside each other, so that their seconds are of the same hour."""
    return [(v, e, s) for e in cfg.envs for s in range(cfg.seeds) for v in cfg.variants.learnt]


def asked(cfg: DictConfig, variant: str, env: str, seed: int) -> dict[str, Any]:
    """What a run depends on. Raises `ConfigError` for a world or override that does not exist."""
    settings = settings_of(cfg, variant, env, seed, Path("run"))
    how = {"variant": list(cfg.learnt.variants[variant]), "overrides": list(cfg.overrides), "episodes": cfg.episodes}
    return {"steps": settings.total_steps, "stop_at": settings.log.stop_at, **how}


def settings_of(cfg: DictConfig, variant: str, env: str, seed: int, folder: Path) -> TrainSettings:
    """The settings of one run. Raises `ConfigError` for a world or override that does not exist."""
    from twosome.config.compose import compose

    overrides = [f"env={env}", *cfg.learnt.variants[variant], f"seed={seed}", run_dir(folder), *cfg.overrides]
    size = compose(overrides)
    interval = max(1, cfg.eval_every // (size.num_envs * size.rollout_steps))
    return compose([
        "log.tensorboard=false", "log.decisions_per_update=0", "log.tracked_states=0", "log.eval_episodes=1",
        f"log.eval_interval={interval}", f"log.checkpoint_interval={interval}", f"log.stop_at={cfg.stop_at}",
        f"log.eval_episodes_final={cfg.episodes}", f"total_steps={cfg.budget.get(env, cfg.budget.default)}",
        *overrides,
    ])  # fmt: skip


def measure(cfg: DictConfig, folder: Path, variant: str, env: str, seed: int) -> dict[str, Any]:
    """Let it learn, and say when the greedy policy came to which share of the optimum."""
    from twosome.agents.remembering import Remembering
    from twosome.files import read_lines
    from twosome.rollout.evaluate import evaluate
    from twosome.systems.build import similarity_of
    from twosome.systems.load import load

    settings = settings_of(cfg, variant, env, seed, folder / "run")
    summary = trained(settings)
    records, optimum = list(read_lines(folder / "run" / "metrics.jsonl")), summary["optimum"]
    found = {
        "optimum": optimum,
        "decisions": summary["env_steps"],
        "greedy": summary["eval_after"]["greedy"]["return_mean"],
        "sampled": summary["eval_after"]["sampled"]["return_mean"],
        "to": {str(share): reached(records, share * optimum) for share in SHARES},
    }
    if settings.method == "memory":
        policy = load(folder / "run")
        assert isinstance(policy.prompter.recall, Remembering)
        known = policy.prompter.recall.records
        found["error"] = error(known, values_as_told(settings.env))
        policy.remind(Remembering(permuted(known, seed), similarity_of(settings.memory, policy), settings.memory))
        policy.clear_cache()
        placebo = evaluate(policy, settings.env, cfg.episodes, seed)
        found |= {f"placebo {how}": placebo[how]["return_mean"] for how in ("greedy", "sampled")}
    return found


def table(found: dict[Job, Any]) -> str:
    """Medians over the seeds that came to a share; the others count as never."""
    lines = [
        "| world | variant | seeds at 90 % | decisions to 90 % | seeds at 99 % | decisions to 99 % | seconds of a "
        "processor to 90 % | greedy at the end, every seed | sampled | placebo greedy, sampled | error of Q |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    rows: dict[tuple[Any, Any], list[Any]] = {}
    for (variant, env, _), result in found.items():
        rows.setdefault((env, variant), []).append(result)
    for (env, variant), results in rows.items():
        most = max(r["decisions"] for r in results)
        cells = []
        for share in map(str, SHARES):
            there = [r["to"][share] for r in results]
            came = [t["decisions"] for t in there if t]
            cells += [
                f"{len(came)} of {len(results)}",
                median([t and t["decisions"] for t in there], most) + spread(came),
            ]
        seconds = median([t and t["seconds"] for t in (r["to"][str(SHARES[0])] for r in results)])
        placebo, wrong = "", ""
        if "error" in results[0]:
            placebo = ", ".join(_mean(results, f"placebo {how}") for how in ("greedy", "sampled"))
            wrong = _mean(results, "error")
        greedy = " ".join(f"{r['greedy'] / r['optimum']:.3f}" for r in results)
        lines.append(
            f"| {env} | {variant} | {' | '.join(cells)} | {seconds} | {greedy} | {_mean(results, 'sampled')} | "
            f"{placebo} | {wrong} |"
        )
    return "\n".join(lines) + "\n"


def _mean(results: list[Any], key: str) -> str:
    values = [r[key] for r in results if r[key] is not None]
    return f"{statistics.fmean(values):.4f}" if values else "-"
