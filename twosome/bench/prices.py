"""PPO from a clone, at one price of asking: return, rate and course of asking on words that were never met.

The return is also told against the best player's on the same sessions, which takes out what the sessions were worth.
"""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.bench import clones
from twosome.bench.runs import Job, quoted, run_dir
from twosome.bench.sessions import answers, asking, ends, play
from twosome.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.config.schema import TrainSettings


def jobs(cfg: DictConfig) -> list[Job]:
    """Seeds of one price beside each other, so that their seconds are of the same hour."""
    return [(row, cost, s) for row in cfg.rows for cost in cfg.how[row].costs for s in range(cfg.seeds)]


def asked(cfg: DictConfig, row: str, cost: float, seed: int) -> dict[str, Any]:
    """What a run depends on. Raises `ConfigError` for an override that does not exist."""
    settings = settings_of(cfg, row, cost, seed, Path("run"))
    how = cfg.how[row]
    return {
        "desk": list(cfg.desks[how.desk]), "overrides": [*how.overrides, *cfg.overrides], "clone": how.clone,
        "experiments": list(cfg.experiments.values()), "steps": settings.total_steps, "sessions": cfg.sessions,
        "ppo": dataclasses.asdict(settings.ppo),
    }  # fmt: skip


def settings_of(cfg: DictConfig, row: str, cost: float, seed: int, folder: Path) -> TrainSettings:
    """The settings of a run. Raises `ConfigError` for an override that does not exist."""
    from twosome.config.compose import compose

    how = cfg.how[row]
    begins = [f"init={quoted(clones.folder_of(cfg, how.desk, seed))}"] if how.clone else ["init=null"]
    return compose([
        f"experiment={cfg.experiments.ppo}", *cfg.desks[how.desk], f"env.kwargs.cost={cost}", f"seed={seed}",
        run_dir(folder), *begins, "log.tensorboard=false", "log.decisions_per_update=0", "log.tracked_states=0",
        "log.eval_interval=0", "log.eval_episodes_final=1", *how.overrides, *cfg.overrides,
    ])  # fmt: skip


def measure(cfg: DictConfig, folder: Path, row: str, cost: float, seed: int) -> dict[str, Any]:
    """Learn at the price; then play greedily and sampled, and what the clone plays there before."""
    from twosome.bench.episodes import trained
    from twosome.systems.load import load, load_with_settings

    settings = settings_of(cfg, row, cost, seed, folder / "run")
    if settings.init is not None and not Path(settings.init).is_dir():
        raise ConfigError(f"{settings.init} is missing, which the row {row} begins with: add clones to parts.")
    summary = trained(settings)
    policy, _ = load_with_settings(folder / "run")
    n = settings.env.kwargs["questions"]
    found = {"decisions": summary["env_steps"], "seconds": summary["wall_seconds"], **_exact(settings)}
    found |= ends(settings.env, cfg.sessions, split="test")
    for how in ("greedy", "sampled"):
        found[how] = _measured(play(policy, settings.env, cfg.sessions, seed, split="test", greedy=how == "greedy"), n)
    found["met"] = _measured(play(policy, settings.env, cfg.sessions, seed, split="train", greedy=True), n)
    if settings.init is not None:
        found["clone"] = _measured(play(load(settings.init), settings.env, cfg.sessions, seed, split="test"), n)
    return found


def _exact(settings: TrainSettings) -> dict[str, Any]:
    """What the best play earns and asks, by dynamic programming."""
    from twosome.rollout.contract import make_env

    desk: Any = make_env(settings.env).unwrapped
    desk.reset(seed=0)
    return {"optimum": desk.best.value, "best_asked": desk.best.asked, "best_asking": list(desk.best.asking)}


def _measured(played: list[Any], n: int) -> dict[str, Any]:
    """Means over sessions; `behind`: how much less than the best player on the same sessions, and its deviation."""
    behind = [p.best - p.returned for p in played]
    return {
        "return": statistics.fmean(p.returned for p in played),
        "behind": statistics.fmean(behind),
        "error": statistics.stdev(behind) / len(behind) ** 0.5,
        "asking": asking(played, n),
        **answers(played),
    }


def table(found: dict[Job, Any]) -> str:
    """Every row and price, over the seeds."""
    lines = [
        "| row | price | optimum | greedy, every seed, against the best player on the same sessions | sampled | "
        "clone | never asking | always asking | asked a question, best | greedy | farthest from its course, by "
        "thirds | "
        "right from notes | words met | decisions | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    rows: dict[tuple[Any, Any], list[Any]] = {}
    for (row, cost, _), result in found.items():
        rows.setdefault((row, cost), []).append(result)
    for (row, cost), results in rows.items():
        n, best = len(results[0]["best_asking"]), results[0]["optimum"]
        cells = [
            f"{best:.2f}",
            " ".join(f"{_share(r, 'greedy'):.3f}" for r in results),
            f"{statistics.fmean(_share(r, 'sampled') for r in results):.3f}",
            "-" if "clone" not in results[0] else f"{statistics.fmean(_share(r, 'clone') for r in results):.3f}",
            f"{results[0]['never']:.2f}",
            f"{results[0]['always']:.2f}",
            f"{results[0]['best_asked'] / n:.3f}",
            " ".join(f"{sum(r['greedy']['asking']) / n:.3f}" for r in results),
            f"{max(_off_course(r) for r in results):.3f}",
            _mean([r["greedy"]["noted"] for r in results]),
            f"{statistics.fmean(_share(r, 'met') for r in results):.3f}",
            f"{statistics.median(r['decisions'] for r in results):,.0f}",
            f"{statistics.median(r['seconds'] for r in results):.0f}",
        ]
        lines.append(f"| {row} | {cost:g} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _share(result: dict[str, Any], how: str) -> float:
    """The return as a share of the optimum: the optimum less what it fell behind the best player."""
    return float(1 - result[how]["behind"] / result["optimum"])


def _off_course(result: dict[str, Any]) -> float:
    """The largest difference of the rates of asking from the best ones, over thirds of a session."""
    third = max(1, len(result["best_asking"]) // 3)
    pairs = list(zip(result["greedy"]["asking"], result["best_asking"], strict=True))
    parts = [pairs[k : k + third] for k in range(0, len(pairs), third)]
    return max(abs(statistics.fmean(a - b for a, b in part)) for part in parts)


def _mean(values: list[Any]) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.fmean(known):.3f}" if known else "-"
