"""How many steps and seconds to the optimum: methods x environments x seeds. `python -m twosome.bench learning seeds=5`.

Every run is an ordinary training run in `out/<method>/<environment>/seed<k>`, so an interrupted bench continues where it was.
Steps to a share of the optimum are read off the scheduled greedy evaluations. Means over seeds are interquartile means with
percentile bootstrap intervals (Agarwal et al. 2021).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from twosome.bench.runs import check_listed, check_numbers, leave, run_all, run_dir
from twosome.saved import must_agree

UNTRAINED = ("frozen", "saycan", "random")
LANGUAGE_MODEL = ("twosome", "published", "group")
VIRTUALHOME = ("food_preparation", "entertainment", "cheese", "hamburger", "apple_pie", "pizza", "washing_plate", "laundry")
SHARES = (0.95, 0.99)


def main(argv: list[str]) -> None:
    """The command; `argv` are Hydra overrides of conf/learning.yaml. Exits with 1 where a run has failed."""
    from twosome import cli

    cli.run("learning", lambda cfg: leave(bench(cfg)["failed"]), argv)


def bench(cfg: Any) -> dict[str, Any]:
    """Do the runs that are missing, then write `learning.json`, `learning.md` and `learning.png` into `cfg.out`."""
    from twosome.run import versions

    check_numbers(cfg, seeds=1, workers=1, episodes=1, eval_every=1, baseline_budget=1)
    check_listed(cfg, "methods", "envs")
    out = Path(cfg.out).expanduser()
    jobs = [(m, e, s) for m in cfg.methods for e in cfg.envs for s in range(cfg.seeds)]
    waiting = [job for job in jobs if not _result_file(out, *job).exists()] if cfg.run else []
    settings = {pair: settings_of(cfg, *pair, 0, out) for pair in dict.fromkeys(job[:2] for job in jobs)}  # mistakes cost nothing here
    for method, env, seed in jobs:
        folder = _result_file(out, method, env, seed).parent
        if (folder / "config.yaml").exists():
            settings[method, env].seed = seed
            must_agree(folder, settings[method, env])
    print(f"{len(jobs)} runs, {len(waiting)} of them to do; results in {out}")
    failed = run_all(_run, cfg, waiting, lambda *job: _result_file(out, *job).parent, cfg.workers)
    results = {e: {m: _summary(cfg, out, m, e) for m in cfg.methods} for e in cfg.envs}
    table = f"{overview(results)}\n{markdown(results, cfg.seeds)}"
    report = {"versions": versions(), "seeds": cfg.seeds, "stop_at": cfg.stop_at, "failed": failed, "results": results}
    out.mkdir(parents=True, exist_ok=True)
    (out / "learning.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    (out / "learning.md").write_text(table, encoding="utf-8")
    draw(results, out / "learning.png")
    print(table)
    return report


# Runs ----------------------------------------------------------------------------------------------------------------------


def _run(cfg: Any, folder: Path, method: str, env: str, seed: int) -> None:
    from twosome.run import open_run
    from twosome.train import train

    if method in UNTRAINED:
        _evaluate_untrained(cfg, method, env, seed, folder)
    else:
        train(open_run(settings_of(cfg, method, env, seed, folder)))


def settings_of(cfg: Any, method: str, env: str, seed: int, folder: Path) -> Any:
    """The settings of one run. Raises `ConfigError` for a method, environment or override that does not exist."""
    from twosome.config import compose

    experiment = [f"experiment={cfg.experiment}"] if cfg.experiment else []
    if method in UNTRAINED:
        return compose([*experiment, f"env={env}", f"seed={seed}", *cfg.overrides])
    budget = cfg.budget.get(env, cfg.budget.default) if method in LANGUAGE_MODEL else cfg.baseline_budget
    budget = round(budget * cfg.budget_share.get(method, 1.0))
    overrides = [
        *experiment,
        *(_published_rates(env) if method == "published" else []),
        f"env={env}",
        f"method={method}",
        f"seed={seed}",
        run_dir(folder),
        f"total_steps={budget}",
        *cfg.overrides,
    ]
    size = compose(overrides)
    interval = -(-cfg.eval_every // (size.num_envs * size.rollout_steps))
    goal = cfg.stop_at if size.env.optimum is not None and cfg.stop_at is not None else "null"
    return compose([f"log.eval_interval={interval}", f"log.stop_at={goal}", *overrides])


def _published_rates(env: str) -> list[str]:
    """The published rates differ by family: the VirtualHome tasks have their own."""
    return ["ppo.actor.learning_rate=1e-6", "ppo.critic.learning_rate=5e-5"] if env.startswith(VIRTUALHOME) else []


def _evaluate_untrained(cfg: Any, method: str, env: str, seed: int, folder: Path) -> None:
    from twosome import disk
    from twosome.api import build_policy
    from twosome.baselines.frozen import Affordance
    from twosome.baselines.random import RandomPolicy
    from twosome.evaluate import evaluate
    from twosome.run import versions

    settings = settings_of(cfg, method, env, seed, folder)
    policy = RandomPolicy() if method == "random" else build_policy(settings)
    wrap = Affordance if method == "saycan" else None
    evaluation = evaluate(policy, settings.env, settings.policy.prompt, cfg.episodes, seed, wrap=wrap)
    summary = {"optimum": settings.env.optimum, "env_steps": 0, "wall_seconds": 0.0, "eval_after": evaluation, "versions": versions()}
    disk.write_json(folder / "summary.json", summary)


def _result_file(out: Path, method: str, env: str, seed: int) -> Path:
    return out / method / env / f"seed{seed}" / "summary.json"


# Figures -------------------------------------------------------------------------------------------------------------------


def _summary(cfg: Any, out: Path, method: str, env: str) -> dict[str, Any]:
    """All finished seeds of one method in one environment: curves, steps and seconds to shares of the optimum, final returns.

    Of a seed that did not come to a share, the steps and seconds are None; `steps` are those it took in all.
    """
    from twosome.metrics import read

    found: dict[str, Any] = {"optimum": None, "commits": [], "curves": [], "final_greedy": [], "final_sampled": [], "steps": []}
    reached: dict[str, list[Any]] = {str(share): [] for share in SHARES}
    seconds: dict[str, list[Any]] = {str(share): [] for share in SHARES}
    for path in (_result_file(out, method, env, seed) for seed in range(cfg.seeds)):
        if not path.exists():
            continue
        summary = json.loads(path.read_text(encoding="utf-8"))
        optimum = found["optimum"] = summary["optimum"]
        found["final_greedy"].append(summary["eval_after"]["greedy"]["return_mean"])
        found["final_sampled"].append(summary["eval_after"]["sampled"]["return_mean"])
        found["commits"].append(summary.get("versions", {}).get("commit"))
        if method in UNTRAINED:
            continue
        records = [r for r in read(path.parent / "metrics.jsonl") if r.get("eval/greedy_return") is not None]
        found["steps"].append(summary["env_steps"])
        found["curves"].append([(r["step"], r["eval/greedy_return"]) for r in records])
        for share in SHARES:
            first = next((r for r in records if optimum is not None and r["eval/greedy_return"] >= share * optimum), None)
            reached[str(share)].append(first["step"] if first else None)
            seconds[str(share)].append(first["speed/seconds"] if first else None)
    return found | {"steps_to": reached, "seconds_to": seconds}


def interquartile_mean(values: Any) -> float:
    """Mean of the middle half, with fractional weights at its ends.

    >>> interquartile_mean([0.0, 1.0, 2.0, 100.0])
    1.5
    """
    x = np.sort(np.asarray(values, float))
    n = len(x)
    upper = np.minimum(np.arange(1, n + 1), 0.75 * n)
    lower = np.maximum(np.arange(n), 0.25 * n)
    weights = np.clip(upper - lower, 0, None)
    return float((x * weights).sum() / weights.sum())


def iqm_interval(values: Any, resamples: int = 2000, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap of the interquartile mean."""
    x = np.asarray(values, float)
    picks = np.random.default_rng(seed).integers(0, len(x), (resamples, len(x)))
    low, high = np.quantile([interquartile_mean(x[p]) for p in picks], [0.025, 0.975])
    return float(low), float(high)


def overview(results: dict[str, dict[str, Any]]) -> str:
    """Methods x environments: median steps to 99 % of the optimum, and how many of the seeds came there; sampled returns below."""
    methods = list(dict.fromkeys(m for found in results.values() for m in found))
    lines = []
    for title, wanted, cell in (
        ("steps to 99 % of the optimum, greedy: median (seeds that came there)", [m for m in methods if m not in UNTRAINED], _steps_cell),
        ("sampled return of what does not learn, interquartile mean", [m for m in methods if m in UNTRAINED], _return_cell),
    ):
        if wanted:
            lines += [f"| {title} | {' | '.join(env.replace('_', ' ') for env in results)} |", "|---|" + "---|" * len(results)]
            lines += [f"| {m} | {' | '.join(cell(found[m]) if m in found else '' for found in results.values())} |" for m in wanted]
            lines.append("")
    return "\n".join(lines)


def _steps_cell(r: dict[str, Any]) -> str:
    steps = r["steps_to"]["0.99"]
    return f"{_median(steps, r['steps'])} ({sum(s is not None for s in steps)} of {len(steps)})" if steps else "not run"


def _return_cell(r: dict[str, Any]) -> str:
    return f"{interquartile_mean(r['final_sampled']):.3f}" if r["final_sampled"] else "not run"


def markdown(results: dict[str, dict[str, Any]], seeds: int) -> str:
    """Every figure of all environments and methods. `seeds`: how many were asked for."""
    lines = [
        "| environment | method | seeds at 99 % | steps to 95 % | steps to 99 %, median (min to max) | seconds | greedy return at the end, IQM | sampled, IQM |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for env, methods in results.items():
        for method, r in methods.items():
            n = len(r["final_greedy"])
            if not n:
                lines.append(f"| {env} | {method} | not run | | | | | |")
                continue
            returns = [_with_interval(r[k]) for k in ("final_greedy", "final_sampled")]
            if method in UNTRAINED:
                lines.append(f"| {env} | {method} | does not learn | | | | {' | '.join(returns)} |")
                continue
            steps = r["steps_to"]["0.99"]
            missing = f" ({seeds - n} not run)" if n < seeds else ""
            cells = [
                f"{sum(s is not None for s in steps)} of {n}{missing}",
                _median(r["steps_to"]["0.95"], r["steps"]),
                _median(steps, r["steps"], spread=True),
                _median(r["seconds_to"]["0.99"], None),
                *returns,
            ]
            lines.append(f"| {env} | {method} | {' | '.join(cells)} |")
    known = {env: next((r["optimum"] for r in m.values() if r["optimum"]), None) for env, m in results.items()}
    optima = "; ".join(f"{env} {optimum:.4f}" for env, optimum in known.items() if optimum)
    return "\n".join([*lines, "", f"Optima: {optima}."]) + "\n"


def _median(values: list[float | None], taken: list[int] | None, spread: bool = False) -> str:
    """Median over seeds, where one that did not get there counts as more than any other; it is shown as more than the steps `taken`."""
    beyond = "-" if taken is None else f"> {min((n for v, n in zip(values, taken, strict=True) if v is None), default=0):,}"
    ordered = sorted(float("inf") if v is None else v for v in values)
    if not ordered:
        return ""
    middle, low, high = (f"{x:,.0f}" if np.isfinite(x) else beyond for x in (ordered[len(ordered) // 2], ordered[0], ordered[-1]))
    return f"{middle} ({low} to {high})" if spread else middle


def _with_interval(values: list[float]) -> str:
    low, high = iqm_interval(values)
    return f"{interquartile_mean(values):.4f} [{low:.4f}, {high:.4f}]"


def draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    """Learning curves, one panel per environment: interquartile mean of the greedy return, band = bootstrap interval.

    A curve ends in a dot where all its runs had come to their goal or used up their steps. Dotted: what does not learn, sampled.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print('No picture: `pip install "twosome[plot]"` draws one.')
        return
    columns = min(2, len(results))
    rows = -(-len(results) // columns)
    figure = Figure(figsize=(6.2 * columns, 3.7 * rows + 0.5), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns, sharex=True)).ravel()
    methods = list(dict.fromkeys(m for found in results.values() for m in found))
    handles: dict[str, Any] = {}
    for panel, (env, found) in zip(panels, results.items(), strict=False):
        for method, r in found.items():
            color = f"C{methods.index(method)}"
            if any(r["curves"]):
                handles[method] = _draw_curve(panel, r, color, leads=method == methods[0])
            elif r["final_sampled"]:
                handles[method] = panel.axhline(interquartile_mean(r["final_sampled"]), color=color, ls=":", lw=1.5)
        optimum = next((r["optimum"] for r in found.values() if r["optimum"]), None)
        if optimum:
            handles["optimum"] = panel.axhline(optimum, color="black", ls="--", lw=1)
        _label(panel, env)
    for panel in panels[len(results) :]:
        panel.set_axis_off()
    order = [name for name in (*methods, "optimum") if name in handles]
    if order:
        names = [name.replace("_", " ") for name in order]
        figure.legend([handles[n] for n in order], names, loc="outside lower center", ncols=min(6, len(order)), fontsize=9)
    figure.savefig(str(path), dpi=130)


def _label(panel: Any, env: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.tick_params(axis="x", labelbottom=True)
    panel.set_title(env.replace("_", " "))
    panel.set_xlabel("environment steps (decisions)")
    panel.set_ylabel("greedy discounted return")


def _draw_curve(panel: Any, result: dict[str, Any], color: str, leads: bool) -> Any:
    """Interquartile mean and its interval over the seeds. Returns the line."""
    grid, columns = carried([curve for curve in result["curves"] if curve])
    bands = np.array([iqm_interval(c, resamples=300) for c in columns])
    means = [interquartile_mean(c) for c in columns]
    [line] = panel.plot(grid, means, color=color, lw=2.5 if leads else 1.3, zorder=3 if leads else 2)
    panel.plot(grid[-1], means[-1], "o", color=color, ms=6 if leads else 4, zorder=4 if leads else 2)
    panel.fill_between(grid, bands[:, 0], bands[:, 1], color=color, alpha=0.15, linewidth=0)
    return line


def carried(curves: list[list[tuple[int, float]]]) -> tuple[list[int], np.ndarray]:
    """Curves of (step, return) on one grid of steps: [G], [G, seeds]. A run that stopped at its goal keeps its last return.

    >>> carried([[(1, 0.0), (2, 0.9)], [(1, 0.0), (2, 0.3), (3, 0.8)]])[1].tolist()
    [[0.0, 0.0], [0.9, 0.3], [0.9, 0.8]]
    """
    grid = sorted({step for curve in curves for step, _ in curve})
    values = []
    for curve in curves:
        steps = [s for s, _ in curve]
        values.append([curve[max(0, int(np.searchsorted(steps, g, side="right")) - 1)][1] for g in grid])
    return grid, np.array(values).T
