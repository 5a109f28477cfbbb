"""Evaluate a policy: episodes, discounted return, success, each with an interval. `twosome-eval` is its command."""

from __future__ import annotations

import csv
import json
import math
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.types import ConfigError, Episode, Policy

if TYPE_CHECKING:
    from twosome.config import EnvSettings
    from twosome.rollout import Tolerance

EVALUATION_STREAM = 1_000_003  # keeps the seeds of evaluation episodes apart from those of training


def run_episodes(
    policy: Policy, env: EnvSettings, template: str, episodes: int, *, greedy: bool, seed: int, parallel: int = 8,
    wrap: Any = None, tolerance: Tolerance | None = None,
) -> list[Episode]:
    """Play whole episodes, `parallel` worlds at a time; equal decisions meet in one forward pass or in the reuse.

    `tolerance`: which share of episodes a faulty environment may spoil; those are replaced by others.
    """
    import torch

    from twosome.rollout import Tolerance, World, choose
    from twosome.types import EnvironmentFault

    generator = None if greedy else torch.Generator().manual_seed(seed)
    tolerance, must_fit, stream = tolerance or Tolerance(), getattr(policy, "must_fit", None), seed + EVALUATION_STREAM
    worlds = [World(env, template, stream, b, policy.view, wrap, must_fit) for b in range(min(parallel, episodes))]
    waiting = episodes - len(worlds)
    for world in worlds:
        tolerance.restart(world)
    finished: list[Episode] = []
    while worlds:
        log_probs = policy.log_probs([w.decision for w in worlds])
        going = []
        for world, position in zip(worlds, choose(log_probs, generator), strict=True):
            try:
                *_, episode = world.step(position)
            except EnvironmentFault as fault:
                tolerance.forgive(world, fault)
                episode = None
            if episode is None:
                going.append(world)
                continue
            finished.append(episode)
            tolerance.finished += 1
            if waiting:
                waiting -= 1
                tolerance.restart(world)
                going.append(world)
            else:
                world.close()
        worlds = going
    return finished


def summarize(episodes: list[Episode], seed: int = 0) -> dict[str, Any]:
    """Means with 95 % intervals: Wilson for the success rate, percentile bootstrap for the return."""
    returns = [e.discounted_return for e in episodes]
    n, wins = len(episodes), sum(e.success for e in episodes)
    return {
        "episodes": n,
        "return_mean": sum(returns) / n,
        "return_interval": bootstrap_interval(returns, seed),
        "success_rate": wins / n,
        "success_interval": wilson_interval(wins, n),
        "length_mean": sum(e.length for e in episodes) / n,
        "decisions_mean": sum(e.decisions for e in episodes) / n,
    }


def wilson_interval(wins: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927).

    >>> [round(x, 4) for x in wilson_interval(9, 10)]
    [0.5958, 0.9821]
    """
    centre = (wins + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(wins * (n - wins) / n + z * z / 4)
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap_interval(values: list[float], seed: int = 0, resamples: int = 2000) -> tuple[float, float]:
    """95 % percentile bootstrap of the mean."""
    import numpy as np

    data = np.asarray(values)
    if (data == data[0]).all():
        return float(data[0]), float(data[0])
    picks = np.random.default_rng(seed).integers(0, len(data), (resamples, len(data)))
    low, high = np.quantile(data[picks].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def evaluate(
    policy: Policy, env: EnvSettings, template: str, episodes: int, seed: int, wrap: Any = None, tolerance: Tolerance | None = None
) -> dict[str, dict[str, Any]]:
    """Greedy and sampled evaluation: `{"greedy": {...}, "sampled": {...}}`, see `summarize`. `wrap`: a gymnasium wrapper."""
    result = {}
    for name, greedy in (("greedy", True), ("sampled", False)):
        played = run_episodes(policy, env, template, episodes, greedy=greedy, seed=seed, wrap=wrap, tolerance=tolerance)
        result[name] = summarize(played, seed)
    return result


# The command ---------------------------------------------------------------------------------------------------------------


def main(argv: list[str] | None = None) -> None:
    """The command `twosome-eval`: checkpoints x environments in one table, JSON, CSV and a picture."""
    from twosome import cli

    cli.run("eval", _job, sys.argv[1:] if argv is None else argv)


def _job(cfg: Any) -> list[dict[str, Any]]:
    from omegaconf import OmegaConf

    if OmegaConf.is_missing(cfg, "checkpoint"):
        raise ConfigError("checkpoint=... is missing: a run folder, a checkpoint folder, or `tiny` for the untrained model.")
    if cfg.episodes < 1:
        raise ConfigError(f"episodes={cfg.episodes} cannot work: expected 1 or more.")
    sources = [str(c) for c in _listed(cfg.checkpoint)]
    out = Path(cfg.out).expanduser() if cfg.out else _default_out(sources[0])
    chance: dict[str, dict[str, Any]] = {}  # what random play comes to, by environment
    results = [_evaluate_one(cfg, source, name, out, chance) for source in sources for name in (_listed(cfg.envs) or [None])]
    write_results(out, results)
    return results


def _evaluate_one(cfg: Any, source: str, env_name: str | None, out: Path, chance: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One checkpoint in one environment, beside uniformly random play."""
    from twosome.api import load
    from twosome.baselines.random import RandomPolicy
    from twosome.config import compose
    from twosome.saved import must_be_trusted

    policy = load(source, checkpoint=cfg.which, overrides=list(cfg.overrides))
    settings = policy.train_settings
    if env_name is None:
        must_be_trusted(settings, cfg.overrides, f"The saved settings of {source}", runs_environment=True)
    env = settings.env if env_name is None else compose([f"env={env_name}"]).env
    evaluation = evaluate(policy, env, policy.settings.prompt, cfg.episodes, cfg.seed)
    name = env_name or env.id.split("/")[-1]
    if name not in chance:
        played = run_episodes(RandomPolicy(), env, policy.settings.prompt, cfg.episodes, greedy=False, seed=cfg.seed)
        chance[name] = summarize(played, cfg.seed)
    if cfg.report:
        from twosome import report

        page = out / f"report_{Path(source).name}_{env_name or 'own'}.html"
        report.write(page, policy, env, policy.settings.prompt, episodes=cfg.report_episodes, seed=cfg.seed)
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


def write_results(out: Path, results: list[dict[str, Any]]) -> None:
    """`eval.json` (the first result, and all under `results`), `eval.csv` (random play beside them), `eval.png` where matplotlib is, and a table."""
    from twosome.run import versions

    out.mkdir(parents=True, exist_ok=True)
    (out / "eval.json").write_text(json.dumps(results[0] | {"results": results, "versions": versions()}, indent=1), encoding="utf-8")
    rows = _rows(results)
    with (out / "eval.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    _print(rows, out)
    _draw(rows, out / "eval.png")


def _rows(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Greedy and sampled of every result; random play once for every environment, where it comes first."""
    rows: list[dict[str, Any]] = []
    known = set()
    for result in results:
        rows += [_row(result, "greedy"), _row(result, "sampled")]
        if result["environment"] not in known:
            rows.append(_row(result, "random") | {"checkpoint": "random play"})
            known.add(result["environment"])
    return rows


def _row(result: dict[str, Any], how: str) -> dict[str, Any]:
    e, optimum = result[how], result["optimum"]
    return {
        "checkpoint": result["checkpoint"],
        "environment": result["environment"],
        "policy": how,
        "episodes": e["episodes"],
        "return": round(e["return_mean"], 6),
        "return_low": round(e["return_interval"][0], 6),
        "return_high": round(e["return_interval"][1], 6),
        "of_optimum": round(e["return_mean"] / optimum, 4) if optimum else None,
        "success": round(e["success_rate"], 4),
        "success_low": round(e["success_interval"][0], 4),
        "success_high": round(e["success_interval"][1], 4),
        "steps": round(e["length_mean"], 2),
    }


def _print(rows: list[dict[str, Any]], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{rows[0]['episodes']} episodes each; intervals are 95 %")
    several = len({r["checkpoint"] for r in rows if r["policy"] != "random"}) > 1
    columns = [*(["checkpoint"] if several else []), "environment", "policy", "return", "of optimum", "success", "steps"]
    for column in columns:
        table.add_column(column, justify="left" if column in ("checkpoint", "environment", "policy") else "right")
    for r in rows:
        cells = {
            **r,
            "return": f"{r['return']:.4f} [{r['return_low']:.4f}, {r['return_high']:.4f}]",
            "of optimum": "" if r["of_optimum"] is None else f"{r['of_optimum']:.1%}",
            "success": f"{r['success']:.0%} [{r['success_low']:.0%}, {r['success_high']:.0%}]",
            "steps": f"{r['steps']:.1f}",
        }
        table.add_row(*(str(cells[c]) for c in columns))
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=120)
    console.print(table)
    console.print(f"Written: {out / 'eval.json'}, eval.csv" + (", eval.png" if _has_matplotlib() else ""), soft_wrap=True)


def _draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Discounted returns as bars with their intervals. Left out where matplotlib is not installed (the extra `plot`)."""
    if not _has_matplotlib():
        return
    from matplotlib.figure import Figure

    labels = [f"{r['environment']}\n{r['policy']}" for r in rows]
    figure = Figure(figsize=(max(4.0, 0.9 * len(rows)), 3.6), layout="constrained")
    axes = figure.subplots()
    low = [r["return"] - r["return_low"] for r in rows]
    high = [r["return_high"] - r["return"] for r in rows]
    colors = [{"greedy": "#4c72b0", "sampled": "#a9bfdd", "random": "#dddddd"}[r["policy"]] for r in rows]
    axes.bar(range(len(rows)), [r["return"] for r in rows], yerr=[low, high], color=colors, edgecolor="black", capsize=3)
    for i, r in enumerate(rows):
        if r["of_optimum"]:
            optimum = r["return"] / r["of_optimum"]
            axes.hlines(optimum, i - 0.45, i + 0.45, color="black", linestyles="dashed", label="optimum" if i == 0 else "")
    axes.set_xticks(range(len(rows)), labels, fontsize=8, rotation=0 if len(rows) < 9 else 60)
    axes.set_ylabel("discounted return")
    if any(r["of_optimum"] for r in rows):
        axes.legend(loc="lower right", fontsize=8)
    figure.savefig(str(path), dpi=150)


def _has_matplotlib() -> bool:
    import importlib.util

    return importlib.util.find_spec("matplotlib") is not None


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
