"""Clones: policies that watched what the desk demonstrates, everything right but the asking, at prices drawn at random.

One serves all prices. What it is for: on words that it never met, how often it does the right thing.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.bench.runs import Job, run_dir
from twosome.bench.sessions import answers, play

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.config.schema import TrainSettings


def jobs(cfg: DictConfig) -> list[Job]:
    """A clone for each kind of desk that a row needs."""
    desks = dict.fromkeys(cfg.how[row].desk for row in cfg.rows if cfg.how[row].clone)
    return [(desk, seed) for desk in desks for seed in range(cfg.seeds)]


def asked(cfg: DictConfig, desk: str, seed: int) -> dict[str, Any]:
    """What a clone depends on. Raises `ConfigError` for an override that does not exist."""
    settings = settings_of(cfg, desk, seed, Path("run"))
    return {
        "desk": list(cfg.desks[desk]), "experiment": cfg.experiments.clone, "overrides": list(cfg.overrides),
        "steps": settings.total_steps, "learning": dataclasses.asdict(settings.expert_iteration),
    }  # fmt: skip


def settings_of(cfg: DictConfig, desk: str, seed: int, folder: Path) -> TrainSettings:
    """The settings of a run. Raises `ConfigError` for an override that does not exist."""
    from twosome.config.compose import compose

    return compose([
        f"experiment={cfg.experiments.clone}", *cfg.desks[desk], f"seed={seed}", run_dir(folder),
        "log.tensorboard=false", "log.decisions_per_update=0", "log.tracked_states=0", "log.eval_interval=0",
        "log.eval_episodes_final=1", *cfg.overrides,
    ])  # fmt: skip


def folder_of(cfg: DictConfig, desk: str, seed: int) -> Path:
    """Where the run of a clone lies."""
    return Path(cfg.out).expanduser() / "clones" / desk / f"seed{seed}" / "run"


def measure(cfg: DictConfig, folder: Path, desk: str, seed: int) -> dict[str, Any]:
    """Let it watch; then let it play sampled, where what it does right is counted."""
    from twosome.bench.episodes import trained
    from twosome.systems.load import load_with_settings

    summary = trained(settings_of(cfg, desk, seed, folder / "run"))
    policy, settings = load_with_settings(folder / "run")
    found = {split: answers(play(policy, settings.env, cfg.sessions, seed, split=split)) for split in ("train", "test")}
    return {"decisions": summary["env_steps"], "seconds": summary["wall_seconds"], **found}


def table(found: dict[Job, Any]) -> str:
    """Every clone."""
    lines = [
        "| desk | seed | decisions shown | seconds | right from the table, words met / not met | right from notes | "
        "right after advice |",
        "|---|---|---|---|---|---|---|",
    ]
    for (desk, seed), result in found.items():
        cells = [
            " / ".join("-" if (share := result[split][kind]) is None else f"{share:.3f}" for split in ("train", "test"))
            for kind in ("table", "noted", "advised")
        ]
        lines.append(f"| {desk} | {seed} | {result['decisions']:,} | {result['seconds']:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
