"""The command `twosome-eval`: checkpoints x environments in one table, JSON, CSV and a picture."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.cli import command
from twosome.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main(argv: list[str] | None = None) -> None:
    """The command `twosome-eval`."""
    command.run("eval", job, sys.argv[1:] if argv is None else argv)


def job(cfg: DictConfig) -> list[dict[str, Any]]:
    """Evaluate every checkpoint in every environment. Returns what `eval.json` holds under `results`."""
    from omegaconf import OmegaConf

    from twosome.cli.evaluate_output import write_results

    if OmegaConf.is_missing(cfg, "checkpoint"):
        raise ConfigError(
            "checkpoint=... is missing: a run folder, a checkpoint folder, or `tiny` for the untrained model."
        )
    if cfg.episodes < 1:
        raise ConfigError(f"episodes={cfg.episodes} cannot work: expected 1 or more.")
    sources = [str(c) for c in _listed(cfg.checkpoint)]
    out = Path(cfg.out).expanduser() if cfg.out else _default_out(sources[0])
    chance: dict[str, dict[str, Any]] = {}  # what random play comes to, by environment
    results = [
        _evaluate_one(cfg, source, name, out, chance) for source in sources for name in (_listed(cfg.envs) or [None])
    ]
    write_results(out, results)
    return results


def _evaluate_one(
    cfg: DictConfig, source: str, env_name: str | None, out: Path, chance: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """One checkpoint in one environment, beside uniformly random play."""
    from twosome import report
    from twosome.config.compose import compose
    from twosome.config.saved import must_be_trusted
    from twosome.rollout.evaluate import evaluate, run_episodes, summarize
    from twosome.systems.baselines.random import RandomPolicy
    from twosome.systems.load import load_with_settings

    policy, settings = load_with_settings(source, checkpoint=cfg.which, overrides=list(cfg.overrides))
    if env_name is None:
        must_be_trusted(settings, cfg.overrides, f"The saved settings of {source}", runs_environment=True)
    env = settings.env if env_name is None else compose([f"env={env_name}"]).env
    evaluation = evaluate(policy, env, cfg.episodes, cfg.seed)
    name = env_name or env.id.split("/")[-1]
    if name not in chance:
        played = run_episodes(RandomPolicy(), env, cfg.episodes, greedy=False, seed=cfg.seed)
        chance[name] = summarize(played, cfg.seed)
    if cfg.report:
        page = out / f"report_{Path(source).name}_{env_name or 'own'}.html"
        report.write(
            page,
            policy,
            env,
            cfg.report_episodes,
            seed=cfg.seed,
            gae_lambda=settings.ppo.gae_lambda,
            model=settings.model.name,
        )
        print(f"Report: {page}")
    return {
        "checkpoint": source,
        "environment": name,
        "env_id": env.id.split(":")[-1],
        "trained_on": settings.env.id.split(":")[-1],
        "model": settings.model.name,
        "seed": cfg.seed,
        "optimum": env.optimum,
        "scorer": policy.describe_scorer(),
        **_history(source),
        "eval_after": evaluation,
        **evaluation,
        "random": chance[name],
    }


def _history(source: str) -> dict[str, Any]:
    """What the run's own summary says of its steps and of the policy before training, where there is one."""
    folder = next((f for f in (Path(source), Path(source).parent.parent) if (f / "summary.json").is_file()), None)
    known = json.loads((folder / "summary.json").read_text(encoding="utf-8")) if folder else {}
    return {key: known.get(key) for key in ("env_steps", "wall_seconds", "eval_before")}


def _default_out(source: str) -> Path:
    path = Path(source).expanduser()
    if (path / "checkpoints").is_dir():
        return path
    if path.parent.name == "checkpoints":
        return path.parent.parent
    return Path("outputs") / "eval" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, (str, Path)) else list(value)


if __name__ == "__main__":
    main()
