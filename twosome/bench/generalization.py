"""Trained in one world, tried in others, and what the language model kept.

    python -m twosome.bench generalization seeds=3

Every run is an ordinary training run in `out/<world>/seed<k>`; beside it `transfer.json` holds the evaluations in the
world trained in and in the others, without further training, and the retention of the language model
(`twosome.lm.retention`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from twosome.bench.runs import check_listed, check_numbers, leave, run_all, run_dir, shipped
from twosome.config.saved import must_agree
from twosome.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.config.schema import TrainSettings

Transfer: TypeAlias = dict[str, Any]
"""What `transfer.json` holds: `worlds` (name -> optimum, greedy and sampled evaluation) and `retention`."""


def main(argv: list[str]) -> None:
    """The command; `argv` are Hydra overrides of conf/generalization.yaml. Exits with 1 where a run has failed."""
    from twosome.cli import command

    command.run("generalization", lambda cfg: leave(bench(cfg)["failed"]), argv)


def bench(cfg: DictConfig) -> dict[str, Any]:
    """Do the runs that are missing, then write `generalization.json` and `generalization.md` into `cfg.out`."""
    from twosome.config.compose import compose
    from twosome.versions import versions

    check_numbers(cfg, seeds=1, workers=1, episodes=1)
    check_listed(cfg, "sources")
    out = Path(cfg.out).expanduser()
    for name in ("targets", "steps"):
        if missing := [source for source in cfg.sources if source not in cfg[name]]:
            raise ConfigError(
                f"sources={list(cfg.sources)}: {name} has no entry for {missing}. Add one: '+{name}.{missing[0]}=...'"
            )
    jobs = [(source, seed) for source in cfg.sources for seed in range(cfg.seeds)]
    is_there = any(_result_file(out, *job).exists() for job in jobs)
    if not cfg.run and (table := shipped("generalization", is_there)):
        print(table)
        return {"failed": []}
    for source in cfg.sources:  # a mistake in the settings costs nothing
        settings_of(cfg, source, 0, out)
        for target in cfg.targets[source]:
            compose([f"env={target}"])
    waiting = [job for job in jobs if not _is_done(cfg, out, *job)] if cfg.run else []
    print(f"{len(jobs)} runs, {len(waiting)} of them to do; results in {out}")
    failed = run_all(_run, cfg, waiting, lambda *job: _result_file(out, *job).parent, cfg.workers)
    results = {source: _read(out, source, cfg.seeds) for source in cfg.sources}
    table = markdown(results)
    report = {"versions": versions(), "seeds": cfg.seeds, "failed": failed, "results": results}
    out.mkdir(parents=True, exist_ok=True)
    (out / "generalization.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    (out / "generalization.md").write_text(table, encoding="utf-8")
    print(table)
    return report


def settings_of(cfg: DictConfig, source: str, seed: int, folder: Path) -> TrainSettings:
    """The settings of one training run. Raises `ConfigError` for an environment or override that does not exist."""
    from twosome.config.compose import compose

    overrides = [f"env={source}", f"seed={seed}", run_dir(folder), f"total_steps={cfg.steps[source]}"]
    goal = "null" if cfg.stop_at is None or compose(overrides).env.optimum is None else cfg.stop_at
    return compose([*overrides, f"log.stop_at={goal}", *cfg.overrides])


def _result_file(out: Path, source: str, seed: int) -> Path:
    return out / source / f"seed{seed}" / "transfer.json"


def _read(out: Path, source: str, seeds: int) -> list[Transfer]:
    files = [_result_file(out, source, seed) for seed in range(seeds)]
    return [json.loads(f.read_text(encoding="utf-8")) for f in files if f.exists()]


def _is_done(cfg: DictConfig, out: Path, source: str, seed: int) -> bool:
    """Whether a run was tried in all the worlds asked for, with as many episodes.

    Raises `ConfigError` where its training differs.
    """
    folder = _result_file(out, source, seed).parent
    if (folder / "summary.json").exists():
        must_agree(folder, settings_of(cfg, source, seed, folder))
    file = folder / "transfer.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"worlds": {}}
    asked = {source, *cfg.targets[source]}
    return asked <= known["worlds"].keys() and all(
        known["worlds"][name]["sampled"]["episodes"] == cfg.episodes for name in asked
    )


def _run(cfg: DictConfig, folder: Path, source: str, seed: int) -> None:
    """Train, unless that was done before, then evaluate everywhere."""
    from twosome import files, tiny
    from twosome.config.compose import compose
    from twosome.lm.retention import measure
    from twosome.rollout.evaluate import evaluate
    from twosome.systems.load import load
    from twosome.training.loop import train
    from twosome.training.run_folder import open_run

    if not (folder / "summary.json").exists():
        train(open_run(settings_of(cfg, source, seed, folder)))
    policy = load(str(folder))
    worlds = {}
    for name in (source, *cfg.targets[source]):
        env = compose([f"env={name}"]).env
        worlds[name] = {"optimum": env.optimum, **evaluate(policy, env, cfg.episodes, seed)}
    kept = measure(policy.lm, policy.tokenizer, tiny.heldout().read_text(encoding="utf-8"))
    files.write_json(folder / "transfer.json", {"source": source, "seed": seed, "worlds": worlds, "retention": kept})


def markdown(results: dict[str, list[Transfer]]) -> str:
    """One table of all worlds, then what the language model kept.

    Figures are means over seeds, with their least and most.
    """
    lines = [
        "| trained in | tried in | greedy return | sampled return | success, sampled | sampled return, share of that "
        "where trained | share of the optimum |",
        "|---|---|---|---|---|---|---|",
    ]
    for source, runs in results.items():
        names = list(dict.fromkeys(name for run in runs for name in run["worlds"]))
        lines += [f"| {source} | {name} | {' | '.join(_cells(source, name, runs))} |" for name in names]
        if not runs:
            lines.append(f"| {source} | not run | | | | | |")
    lines += [
        "",
        "| trained in | seeds | perplexity before | perplexity after | KL, nats a token |",
        "|---|---|---|---|---|",
    ]
    for source, runs in results.items():
        kept = [run["retention"] for run in runs]
        cells = [_mean_and_range([k[key] for k in kept], 3) for key in ("perplexity_before", "perplexity_after", "kl")]
        lines.append(f"| {source} | {len(runs)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cells(source: str, name: str, runs: list[Transfer]) -> list[str]:
    """What the runs trained in `source` did in the world `name`."""
    worlds = [(run["worlds"][name], run["worlds"][source]) for run in runs if name in run["worlds"]]
    greedy, sampled = ([there[how]["return_mean"] for there, _ in worlds] for how in ("greedy", "sampled"))
    success = [there["sampled"]["success_rate"] for there, _ in worlds]
    at_home = [home["sampled"]["return_mean"] for _, home in worlds]
    shares = [a / b for a, b in zip(sampled, at_home, strict=True) if b > 0]
    optimum = worlds[0][0]["optimum"]
    of_optimum = [x / optimum for x in sampled] if optimum else []
    figures = ((greedy, 4), (sampled, 4), (success, 2), (shares, 2), (of_optimum, 2))
    return [_mean_and_range(values, digits) for values, digits in figures]


def _mean_and_range(values: list[float], digits: int) -> str:
    """Mean (least to most); the mean alone where all are the same.

    >>> _mean_and_range([0.5, 1.0], 2), _mean_and_range([1.0, 1.0], 2), _mean_and_range([], 2)
    ('0.75 (0.50 to 1.00)', '1.00', '')
    """
    if not values:
        return ""
    mean, low, high = (f"{x:.{digits}f}" for x in (sum(values) / len(values), min(values), max(values)))
    return mean if low == high else f"{mean} ({low} to {high})"
