"""How many steps and seconds to the optimum: methods x environments x seeds.

    python -m twosome.bench learning seeds=5

Every run is an ordinary training run in `out/<method>/<environment>/seed<k>`, so an interrupted bench continues where
it was. Steps to a share of the optimum are read off the scheduled greedy evaluations. Means over seeds are
interquartile means with percentile bootstrap intervals (Agarwal et al. 2021).
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.bench.curves import UNTRAINED, MethodResult, draw, markdown, overview
from twosome.bench.runs import check_listed, check_numbers, leave, run_all, run_dir, shipped
from twosome.config.saved import must_agree

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.config.schema import TrainSettings
    from twosome.protocols import Policy

LANGUAGE_MODEL = ("twosome", "published", "group")
VIRTUALHOME = (
    "food_preparation",
    "entertainment",
    "cheese",
    "hamburger",
    "apple_pie",
    "pizza",
    "washing_plate",
    "laundry",
)
SHARES = (0.95, 0.99)


def main(argv: list[str]) -> None:
    """The command; `argv` are Hydra overrides of conf/learning.yaml. Exits with 1 where a run has failed."""
    from twosome.cli import command

    command.run("learning", lambda cfg: leave(bench(cfg)["failed"]), argv)


def bench(cfg: DictConfig) -> dict[str, Any]:
    """Do the runs that are missing, then write `learning.json`, `learning.md` and `learning.png` into `cfg.out`."""
    from twosome.versions import versions

    check_numbers(cfg, seeds=1, workers=1, episodes=1, eval_every=1, baseline_budget=1)
    check_listed(cfg, "methods", "envs")
    out = Path(cfg.out).expanduser()
    jobs = [(m, e, s) for m in cfg.methods for e in cfg.envs for s in range(cfg.seeds)]
    waiting = [job for job in jobs if not result_file(out, *job).exists()] if cfg.run else []
    is_there = any(result_file(out, *job).exists() for job in jobs)
    if not cfg.run and (table := shipped("learning", is_there)):
        print(table)
        return {"failed": []}
    # Composed before anything is trained: a mistake in the settings costs nothing.
    settings = {(m, e): settings_of(cfg, m, e, 0, out) for m in cfg.methods for e in cfg.envs}
    for method, env, seed in jobs:
        folder = result_file(out, method, env, seed).parent
        if (folder / "config.yaml").exists():
            must_agree(folder, dataclasses.replace(settings[method, env], seed=seed))
    print(f"{len(jobs)} runs, {len(waiting)} of them to do; results in {out}")
    failed = run_all(_run, cfg, waiting, lambda *job: result_file(out, *job).parent, cfg.workers)
    results = {e: {m: summary_of(out, m, e, cfg.seeds) for m in cfg.methods} for e in cfg.envs}
    table = f"{overview(results)}\n{markdown(results, cfg.seeds)}"
    report = {"versions": versions(), "seeds": cfg.seeds, "stop_at": cfg.stop_at, "failed": failed, "results": results}
    out.mkdir(parents=True, exist_ok=True)
    (out / "learning.json").write_text(json.dumps(report) + "\n", encoding="utf-8")
    (out / "learning.md").write_text(table, encoding="utf-8")
    draw(results, out / "learning.png")
    print(table)
    return report


# Runs -----------------------------------------------------------------------------------------------------------------


def _run(cfg: DictConfig, folder: Path, method: str, env: str, seed: int) -> None:
    from twosome.training.loop import train
    from twosome.training.run_folder import open_run

    if method in UNTRAINED:
        _evaluate_untrained(cfg, method, env, seed, folder)
    else:
        train(open_run(settings_of(cfg, method, env, seed, folder)))


def settings_of(cfg: DictConfig, method: str, env: str, seed: int, folder: Path) -> TrainSettings:
    """The settings of one run. Raises `ConfigError` for a method, environment or override that does not exist."""
    from twosome.config.compose import compose

    experiment = [f"experiment={cfg.experiment}"] if cfg.experiment else []
    if method in UNTRAINED:
        return compose([*experiment, f"env={env}", f"seed={seed}", *cfg.overrides])
    budget = cfg.budget.get(env, cfg.budget.default) if method in LANGUAGE_MODEL else cfg.baseline_budget
    budget = round(budget * cfg.budget_share.get(method, 1.0))
    overrides = [
        *experiment,
        *(published_rates(env) if method == "published" else []),
        f"env={env}",
        f"method={method}",
        f"seed={seed}",
        run_dir(folder),
        f"total_steps={budget}",
        *cfg.overrides,
    ]
    return stopping(cfg, overrides)


def stopping(cfg: DictConfig, overrides: list[str]) -> TrainSettings:
    """The settings of a run that is evaluated every `cfg.eval_every` steps and ends at `cfg.stop_at`."""
    from twosome.config.compose import compose

    size = compose(overrides)
    interval = -(-cfg.eval_every // (size.num_envs * size.rollout_steps))
    goal = cfg.stop_at if size.env.optimum is not None and cfg.stop_at is not None else "null"
    return compose([f"log.eval_interval={interval}", f"log.stop_at={goal}", *overrides])


def published_rates(env: str) -> list[str]:
    """The published rates differ by family: the VirtualHome tasks have their own."""
    return ["ppo.actor.learning_rate=1e-6", "ppo.critic.learning_rate=5e-5"] if env.startswith(VIRTUALHOME) else []


def _evaluate_untrained(cfg: DictConfig, method: str, env: str, seed: int, folder: Path) -> None:
    from twosome import files
    from twosome.rollout.evaluate import evaluate
    from twosome.systems.baselines.frozen import Affordance
    from twosome.systems.baselines.random import RandomPolicy
    from twosome.systems.build import build_policy
    from twosome.versions import versions

    settings = settings_of(cfg, method, env, seed, folder)
    policy: Policy = RandomPolicy() if method == "random" else build_policy(settings)
    wrap = Affordance if method == "saycan" else None
    evaluation = evaluate(policy, settings.env, cfg.episodes, seed, wrap=wrap)
    summary = {
        "optimum": settings.env.optimum,
        "env_steps": 0,
        "wall_seconds": 0.0,
        "eval_after": evaluation,
        "versions": versions(),
    }
    files.write_json(folder / "summary.json", summary)


def result_file(out: Path, method: str, env: str, seed: int) -> Path:
    return out / method / env / f"seed{seed}" / "summary.json"


# Figures --------------------------------------------------------------------------------------------------------------


def summary_of(out: Path, method: str, env: str, seeds: int) -> MethodResult:
    """All finished seeds of one method in one environment."""
    from twosome.files import read_lines

    found = MethodResult(
        optimum=None, commits=[], curves=[], final_greedy=[], final_sampled=[], steps=[],
        steps_to={str(share): [] for share in SHARES}, seconds_to={str(share): [] for share in SHARES},
    )  # fmt: skip
    for path in (result_file(out, method, env, seed) for seed in range(seeds)):
        if not path.exists():
            continue
        summary = json.loads(path.read_text(encoding="utf-8"))
        optimum = found["optimum"] = summary["optimum"]
        found["final_greedy"].append(summary["eval_after"]["greedy"]["return_mean"])
        found["final_sampled"].append(summary["eval_after"]["sampled"]["return_mean"])
        found["commits"].append(summary.get("versions", {}).get("commit"))
        if method in UNTRAINED:
            continue
        records = [r for r in read_lines(path.parent / "metrics.jsonl") if r.get("eval/greedy_return") is not None]
        found["steps"].append(summary["env_steps"])
        found["curves"].append([(r["step"], r["eval/greedy_return"]) for r in records])
        for share in SHARES:
            there = (r for r in records if optimum is not None and r["eval/greedy_return"] >= share * optimum)
            first = next(there, None)
            found["steps_to"][str(share)].append(first["step"] if first else None)
            found["seconds_to"][str(share)].append(first["speed/seconds"] if first else None)
    return found
