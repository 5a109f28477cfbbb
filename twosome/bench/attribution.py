"""What earns the result: our settings without each of their parts, and what stands beside them.

    python -m twosome.bench attribution seeds=5
    python -m twosome.bench attribution rows=[token_credit] tasks=[entertainment]   # a part of the table
    python -m twosome.bench attribution run=false                                   # what there is of it

Every run is an ordinary training run in `out/<row>/<task>/seed<k>`; the tables hold whatever of all rows is finished.
Steps and seconds to 99 % of the optimum are read off the scheduled greedy evaluations, as in `twosome.bench.learning`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twosome.bench.curves import MethodResult, Results, draw, markdown, overview
from twosome.bench.learning import published_rates, result_file, stopping, summary_of
from twosome.bench.runs import check_listed, check_numbers, leave, quoted, run_all, run_dir, shipped
from twosome.config.names import near
from twosome.config.saved import must_agree
from twosome.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.config.schema import TrainSettings

RANDOM_WEIGHTS = "{random_weights}"  # in a definition: the folder of a model that has learnt nothing


def main(argv: list[str]) -> None:
    """The command; `argv` are Hydra overrides of conf/attribution.yaml. Exits with 1 where a run has failed."""
    from twosome.cli import command

    command.run("attribution", lambda cfg: leave(bench(cfg)["failed"]), argv)


def bench(
    cfg: DictConfig,
    name: str = "attribution",
    prepare: Callable[[], None] = lambda: None,
    also: Callable[[Results], str] = lambda results: "",
) -> dict[str, Any]:
    """Do the runs that are missing, then write `<name>.json`, `.md` and `.png` into `cfg.out`.

    `prepare`: called before the first run; `also`: what stands below the tables.
    """
    from twosome.versions import versions

    check_numbers(cfg, seeds=1, workers=1, eval_every=1)
    check_listed(cfg, "tasks")
    rows, out = _rows(cfg), Path(cfg.out).expanduser()
    jobs = [(r, t, s) for t in cfg.tasks for r in rows for s in range(cfg.seeds)]
    _check(cfg, out, rows, jobs)
    waiting = [job for job in jobs if not result_file(out, *job).exists()] if cfg.run else []
    if not cfg.run and (table := shipped(name, any(out.glob("*/*/seed*/summary.json")))):
        print(table)
        return {"failed": []}
    print(f"{len(jobs)} runs, {len(waiting)} of them to do; results in {out}")
    if waiting:
        prepare()
    failed = run_all(_run, cfg, waiting, lambda *job: result_file(out, *job).parent, cfg.workers)
    results = found_in(cfg, out)
    table = tables(results, next(iter(cfg.definitions)), cfg.seeds) + also(results)
    report = {"versions": versions(), "seeds": cfg.seeds, "stop_at": cfg.stop_at, "failed": failed, "results": results}
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(report) + "\n", encoding="utf-8")
    (out / f"{name}.md").write_text(table, encoding="utf-8")
    if results:
        draw(results, out / f"{name}.png")
    print(table)
    return report


def _rows(cfg: DictConfig) -> list[str]:
    """The rows to run. Raises `ConfigError` for one that is not defined."""
    if cfg.rows is None:
        return [row for row in cfg.definitions if row not in cfg.trials]
    check_listed(cfg, "rows")
    known = list(cfg.definitions)
    for row in cfg.rows:
        if row not in known:
            raise ConfigError(f"rows holds {row!r}.{near(str(row), known)} Known: {', '.join(known)}.")
    return list(cfg.rows)


def _check(cfg: DictConfig, out: Path, rows: list[str], jobs: list[tuple[str, str, int]]) -> None:
    """That a mistake in the settings costs nothing, and that runs of other settings are not taken for these.

    Raises `ConfigError`. Composing takes most of a second, so not every task is composed for every row.
    """
    pairs = {(row, cfg.tasks[0]) for row in rows} | {(rows[0], task) for task in cfg.tasks} if cfg.run else set()
    known = {pair: settings_of(cfg, *pair, 0, out) for pair in pairs}
    for row, task, seed in jobs:
        folder = result_file(out, row, task, seed).parent
        if (folder / "config.yaml").exists():
            if (row, task) not in known:
                known[row, task] = settings_of(cfg, row, task, 0, out)
            must_agree(folder, _of_seed(known[row, task], out, seed))


# Runs -----------------------------------------------------------------------------------------------------------------


def settings_of(cfg: DictConfig, row: str, task: str, seed: int, out: Path) -> TrainSettings:
    """The settings of one run. Raises `ConfigError` for a task or override that does not exist."""
    definition = [str(o).replace(RANDOM_WEIGHTS, quoted(_random_weights(out, seed))) for o in cfg.definitions[row]]
    budget = cfg.budget_of.get(row, cfg.budget.get(task, cfg.budget.default))
    overrides = [
        f"env={task}",
        f"seed={seed}",
        run_dir(result_file(out, row, task, seed).parent),
        f"total_steps={budget}",
        *(published_rates(task) if "method=published" in definition else []),
        *definition,
        *cfg.overrides,
    ]
    return stopping(cfg, overrides)


def _of_seed(settings: TrainSettings, out: Path, seed: int) -> TrainSettings:
    """The settings of the run of seed 0 as those of another."""
    model = settings.model
    if model.name == str(_random_weights(out, 0)):
        model = dataclasses.replace(model, name=str(_random_weights(out, seed)))
    return dataclasses.replace(settings, seed=seed, model=model)


def _run(cfg: DictConfig, folder: Path, row: str, task: str, seed: int) -> None:
    from twosome.training.loop import train
    from twosome.training.run_folder import open_run

    out = folder.parent.parent.parent
    settings = settings_of(cfg, row, task, seed, out)
    if settings.model.name == str(_random_weights(out, seed)):
        make_random_weights(_random_weights(out, seed), seed)
    train(open_run(settings))


def _random_weights(out: Path, seed: int) -> Path:
    return out / "weights" / f"seed{seed}"


def make_random_weights(folder: Path, seed: int) -> None:
    """The embedded model as its making begins: its shape and its tokenizer, and weights drawn by the seed."""
    import shutil

    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from twosome import tiny

    if (folder / "model.safetensors").exists():
        return
    torch.manual_seed(seed)
    AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(tiny.path("tiny"))).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny.path("tiny") / name, folder / name)


# Figures --------------------------------------------------------------------------------------------------------------


def found_in(cfg: DictConfig, out: Path) -> Results:
    """What is finished, whichever sitting it is of: task -> row -> figures."""
    results: Results = {}
    for task in cfg.tasks:
        for row in cfg.definitions:
            found = summary_of(out, row, task, cfg.seeds)
            if found["final_greedy"]:
                results.setdefault(task, {})[row] = found
    return results


def tables(results: Results, first: str, seeds: int) -> str:
    """The overview, what each row takes of the `first` one's steps and seconds, and every figure."""
    if not results:
        return "No run has finished yet.\n"
    return "\n".join([overview(results), compared(results, first), markdown(results, seeds)])


def compared(results: Results, first: str) -> str:
    """Rows x tasks: the median of the steps to 99 %, and of the seconds, as multiples of those of the `first` row."""
    names = list(dict.fromkeys(row for found in results.values() for row in found if row != first))
    lines = [
        f"| steps and seconds to 99 %, times those of `{first}`: ratio of medians [95 % bootstrap over seeds] | "
        f"{' | '.join(task.replace('_', ' ') for task in results)} |",
        "|---|" + "---|" * len(results),
    ]
    for name in names:
        cells = [
            f"{_ratio(found[name], found[first], 'steps_to')}, {_ratio(found[name], found[first], 'seconds_to')} s"
            if name in found and first in found
            else ""
            for found in results.values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _ratio(row: MethodResult, first: MethodResult, what: str) -> str:
    """Ratio of medians and its interval. A seed that did not come there took more than any other: `many`."""
    x, y = (
        np.array([np.inf if v is None else float(v) for v in r[what]["0.99"]])  # type: ignore[literal-required]
        for r in (row, first)
    )
    ratio = _times(np.median(x), np.median(y))
    rng = np.random.default_rng(0)
    drawn = [_times(np.median(rng.choice(x, len(x))), np.median(rng.choice(y, len(y)))) for _ in range(2000)]
    low, high = np.quantile(drawn, [0.025, 0.975], method="inverted_cdf")
    return f"{_shown(ratio)} [{_shown(low)}, {_shown(high)}]"


def _times(x: float, y: float) -> float:
    return np.inf if np.isinf(x) else float(x / y)  # where both did not come there too


def _shown(ratio: float) -> str:
    return f"{ratio:.2g}" if np.isfinite(ratio) else "many"
