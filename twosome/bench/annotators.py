"""Clones of annotators at a level of prices: what they play beside whom they watched, on sessions never met."""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.bench.questions import exact, played, shown
from twosome.bench.runs import Job, run_dir
from twosome.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.config.schema import TrainSettings

QUIET = ("log.tensorboard=false", "log.decisions_per_update=0", "log.tracked_states=0", "log.eval_interval=0",
         "log.eval_episodes_final=1")  # fmt: skip


def jobs(cfg: DictConfig) -> list[Job]:
    """A clone for each annotator and level that a row begins with, or a world of the learners."""
    pairs = dict.fromkeys((cfg.how[row].demonstrates, level) for row in cfg.rows for level in cfg.how[row].levels)
    if "learners" in cfg.parts:
        pairs |= dict.fromkeys((cfg.begins[world], 1) for world in cfg.worlds if world in cfg.begins)
    return [(demonstrates, level, seed) for demonstrates, level in pairs for seed in range(cfg.seeds)]


def asked(cfg: DictConfig, demonstrates: str, level: float, seed: int) -> dict[str, Any]:
    """What a clone depends on. Raises `ConfigError` for an override that does not exist."""
    settings = settings_of(cfg, demonstrates, level, seed, Path("run"))
    return {
        "experiment": cfg.experiments.clone, "steps": settings.total_steps, "sessions": cfg.sessions,
        "overrides": list(cfg.overrides), "learning": dataclasses.asdict(settings.expert_iteration),
    }  # fmt: skip


def settings_of(cfg: DictConfig, demonstrates: str, level: float, seed: int, folder: Path) -> TrainSettings:
    """The settings of a run. Raises `ConfigError` for an override that does not exist."""
    from twosome.config.compose import compose

    return compose([
        f"experiment={cfg.experiments.clone}", f"env.kwargs.demonstrates={demonstrates}", f"env.kwargs.level={level}",
        f"seed={seed}", run_dir(folder), *QUIET, *cfg.overrides,
    ])  # fmt: skip


def folder_of(cfg: DictConfig, demonstrates: str, level: float, seed: int) -> Path:
    """Where the run of a clone lies."""
    return Path(cfg.out).expanduser() / "annotators" / demonstrates / str(level) / f"seed{seed}" / "run"


def clone_of(settings: TrainSettings, row: str) -> str:
    """Where the clone lies that a run begins with. Raises `ConfigError` where it is not there."""
    if settings.init is None or not Path(settings.init).is_dir():
        raise ConfigError(f"{settings.init} is missing, which the row {row} begins with: add annotators to parts.")
    return settings.init


def measure(cfg: DictConfig, folder: Path, demonstrates: str, level: float, seed: int) -> dict[str, Any]:
    """Let it watch; then let it and the annotator play the same sessions, and its best play beside."""
    from twosome.bench.episodes import trained
    from twosome.systems.load import load_with_settings

    summary = trained(settings_of(cfg, demonstrates, level, seed, folder / "run"))
    policy, settings = load_with_settings(folder / "run")
    env = settings.env
    found = {how: played(policy, env, cfg.sessions, seed, greedy=how == "greedy") for how in ("greedy", "sampled")}
    both = {name: shown(env, cfg.sessions, seed, name) for name in (demonstrates, "clean")}
    best, annotator = both["clean"], both[demonstrates]
    more = {"exact": exact(env), "annotator": annotator, "best": best}
    return {"decisions": summary["env_steps"], "seconds": summary["wall_seconds"], **found, **more}


def table(found: dict[Job, Any]) -> str:
    """Every annotator and level, over the seeds; returns of a question as shares of the exact optimum."""
    lines = [
        "| annotator | level | optimum of a question | annotator, exact | annotator, played | clone greedy, every "
        "seed | clone sampled | calls a question, annotator | clone | decisions shown | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (demonstrates, level), results in grouped(found).items():
        best = results[0]["exact"]["best"]
        cells = [
            f"{best:.3f}",
            f"{results[0]['exact']['annotator'] / best:.3f}",
            mean([share(r, "annotator") for r in results]),
            " ".join(f"{share(r, 'greedy'):.3f}" for r in results),
            mean([share(r, "sampled") for r in results]),
            mean([r["annotator"]["calls"] for r in results]),
            mean([r["sampled"]["calls"] for r in results]),
            f"{statistics.median(r['decisions'] for r in results):,.0f}",
            f"{statistics.median(r['seconds'] for r in results):.0f}",
        ]
        lines.append(f"| {demonstrates} | {level:g} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def grouped(found: dict[Job, Any]) -> dict[tuple[Any, Any], list[Any]]:
    """The seeds of every row."""
    rows: dict[tuple[Any, Any], list[Any]] = {}
    for (one, other, _), result in found.items():
        rows.setdefault((one, other), []).append(result)
    return rows


def share(result: dict[str, Any], how: str, best: str = "best") -> float:
    """A return as a share of the optimum: the optimum less what it fell behind the best play on the same sessions."""
    return float(1 - (result[best]["return"] - result[how]["return"]) / result["exact"]["best"])


def mean(values: list[float]) -> str:
    """The mean of some seeds."""
    return f"{statistics.fmean(values):.3f}"
