"""The command `twosome-eval`: checkpoints x environments in one table, JSON, CSV and a picture."""

from __future__ import annotations

import dataclasses
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome import files
from twosome.cli import command
from twosome.config.check import listed
from twosome.config.names import key_of

if TYPE_CHECKING:
    from twosome.config.schema import EnvSettings, EvalSettings

OWN = "own"  # the name of a world that conf/env does not have


def main(argv: list[str] | None = None) -> None:
    """The command `twosome-eval`."""
    command.run("eval", job, sys.argv[1:] if argv is None else argv)


def job(cfg: EvalSettings) -> list[dict[str, Any]]:
    """Evaluate every checkpoint in every environment. Returns what `eval.json` holds under `results`."""
    from twosome.cli.evaluate_output import write_results
    from twosome.config.compose import compose
    from twosome.rollout.first_look import first_look

    of_world = [o for o in cfg.overrides if key_of(o).startswith("env.")] if cfg.envs is not None else []
    worlds = {str(name): compose([f"env={name}", *of_world]).env for name in listed(cfg.envs)}  # mistakes cost nothing
    for world in worlds.values():
        first_look(world, cfg.seed)
    cfg.overrides = [o for o in cfg.overrides if o not in of_world]
    sources = [str(c) for c in listed(cfg.checkpoint)]
    out = Path(cfg.out).expanduser() if cfg.out else _default_out(sources[0])
    chance: dict[str, dict[str, Any]] = {}  # what random play comes to, by environment
    results = [
        _evaluate_one(cfg, source, world, out, chance)
        for source in sources
        for world in (worlds.items() or [(OWN, None)])
    ]
    write_results(out, results)
    return results


def _evaluate_one(
    cfg: EvalSettings, source: str, world: tuple[str, EnvSettings | None], out: Path, chance: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """One checkpoint in one environment, by default the one it was trained on, beside uniformly random play."""
    from twosome import report
    from twosome.agents.planner import Planner
    from twosome.config.trust import must_be_trusted
    from twosome.rollout.evaluate import evaluate, run_episodes, summarize
    from twosome.systems.baselines.random import RandomPolicy
    from twosome.systems.load import choose_checkpoint, load_with_settings

    which, said = choose_checkpoint(source, cfg.which)
    if said:
        print(said)
    policy, settings = load_with_settings(source, checkpoint=which, overrides=cfg.overrides)
    name, env = world
    if env is None:
        must_be_trusted(settings, cfg.overrides, files.user_path(source, "checkpoint"), runs_environment=True)
        env = settings.env
    planner = Planner(policy, cfg.search, cfg.seed) if cfg.search.simulations else None
    evaluation = evaluate(policy, env, cfg.episodes, cfg.seed, deliberate=planner)
    if repr(env) not in chance:
        played = run_episodes(RandomPolicy(), env, cfg.episodes, greedy=False, seed=cfg.seed)
        chance[repr(env)] = summarize(played, cfg.seed)
    if cfg.report:
        page = out / f"report_{Path(source).name}_{name}.html"
        report.write(
            page,
            policy,
            env,
            cfg.report_episodes,
            seed=cfg.seed,
            gae_lambda=settings.ppo.gae_lambda,
            model=settings.model.name,
            deliberate=planner,
        )
        print(f"Report: {page}")
    return {
        "checkpoint": source,
        "which": which,
        "environment": name if world[1] is not None and name != OWN else re.split("[/:]", env.id)[-1],
        "env_id": env.id.split(":")[-1],
        "trained_on": settings.env.id.split(":")[-1],
        "model": settings.model.name,
        "seed": cfg.seed,
        "optimum": env.optimum,
        "scorer": policy.describe_scorer(),
        **_history(source),
        "eval_after": evaluation,
        **evaluation,
        "random": chance[repr(env)],
        "search": None if planner is None else dataclasses.asdict(cfg.search) | dataclasses.asdict(planner.cost),
    }


def _history(source: str) -> dict[str, Any]:
    """What the run's own summary says of its steps and of the policy before training, where there is one."""
    folder = next((f for f in (Path(source), Path(source).parent.parent) if (f / "summary.json").is_file()), None)
    known = files.read_json(folder / "summary.json") if folder else {}
    return {key: known.get(key) for key in ("env_steps", "wall_seconds", "eval_before")}


def _default_out(source: str) -> Path:
    path = Path(source).expanduser()
    if (path / "checkpoints").is_dir():
        return path
    if path.parent.name == "checkpoints":
        return path.parent.parent
    return Path("outputs") / "eval" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"


if __name__ == "__main__":
    main()
