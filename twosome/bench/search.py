"""Thinking ahead: what a search adds to a policy, what it teaches, and what it costs.

    python -m twosome.bench search seeds=5 workers=2

    iteration     expert iteration beside PPO: decisions, simulated steps and seconds to the optimum
    simulations   return against simulations, of policies that have learnt for a part of their steps
    generated     worlds that draw their episode: learnt on some instances, tried on all the others
    savings       what struck dead ends and batches of leaves save
    orders        dishes learnt one at a time and ordered together: flat and split, with and without a search

Every job lies in `out/<part>/<its names>/seed<k>` and ends with `result.json`, so an interrupted bench continues where
it was; results of other settings are refused. `simulations` reads the checkpoints of `iteration`, `savings` those of
`iteration` and `generated`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from twosome.bench import generated, iteration, orders, savings, simulations
from twosome.bench.runs import Job, check_listed, check_numbers, leave, run_all, shipped
from twosome.config.names import near
from twosome.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

RESULT = "result.json"


class Part(NamedTuple):
    """A question: its jobs, what they depend on, what one of them finds, and the table of all that was found."""

    jobs: Callable[[DictConfig], list[Job]]
    asked: Callable[..., dict[str, Any]]  # (cfg, *job) -> settings; raises `ConfigError` for one that cannot work
    measure: Callable[..., Any]  # (cfg, its folder, *job) -> what result.json holds as `found`
    table: Callable[[dict[Job, Any]], str]


PARTS = {
    "iteration": Part(iteration.jobs, iteration.asked, iteration.measure, iteration.table),
    "simulations": Part(simulations.jobs, simulations.asked, simulations.measure, simulations.table),
    "generated": Part(generated.jobs, generated.asked, generated.measure, generated.table),
    "savings": Part(savings.jobs, savings.asked, savings.measure, savings.table),
    "orders": Part(orders.jobs, orders.asked, orders.measure, orders.table),
}


def main(argv: list[str]) -> None:
    """The command; `argv` are Hydra overrides of conf/search.yaml. Exits with 1 where a job has failed."""
    from twosome.cli import command

    command.run("search", lambda cfg: leave(bench(cfg)["failed"]), argv)


def bench(cfg: DictConfig) -> dict[str, Any]:
    """Do the jobs that are missing, then write `search.json` and `search.md` into `cfg.out`."""
    from twosome.versions import versions

    check_numbers(cfg, seeds=1, workers=1, eval_every=1, batch=1)
    check_listed(cfg, "parts", "envs", "methods", "worlds", "simulations", "with_playouts", "shares")
    for name in cfg.parts:
        if name not in PARTS:
            raise ConfigError(f"Unknown part {name!r}.{near(name, list(PARTS))} Known: {', '.join(PARTS)}.")
    for world in cfg.worlds:
        if world not in cfg.generated:
            raise ConfigError(
                f"worlds={list(cfg.worlds)}: generated has no entry for {world!r}. Add '+generated.{world}=...'"
            )
    out = Path(cfg.out).expanduser()
    jobs = {name: part.jobs(cfg) for name, part in PARTS.items() if name in cfg.parts}
    known = {(name, *job): _read(cfg, out, name, *job) for name in jobs for job in jobs[name]}
    if not cfg.run and (table := shipped("search", any(result is not None for result in known.values()))):
        print(table)
        return {"failed": []}
    report: dict[str, Any] = {"versions": versions(), "seeds": cfg.seeds, "failed": [], "results": {}}
    tables = []
    for name, asked in jobs.items():
        waiting = [(name, *job) for job in asked if cfg.run and known[name, *job] is None]
        print(f"{name}: {len(asked)} jobs, {len(waiting)} of them to do; results in {out}")
        report["failed"] += run_all(_run, cfg, waiting, lambda *job: _folder(out, *job), cfg.workers)
        found = {job: result for job in asked if (result := _read(cfg, out, name, *job)) is not None}
        report["results"][name] = [{"job": list(job), "found": result} for job, result in found.items()]
        tables.append(f"## {name}\n\n{PARTS[name].table(found) if found else 'not run'}\n")
    out.mkdir(parents=True, exist_ok=True)
    (out / "search.json").write_text(json.dumps(report) + "\n", encoding="utf-8")
    (out / "search.md").write_text("\n".join(tables), encoding="utf-8")
    print("\n".join(tables))
    return report


def _run(cfg: DictConfig, folder: Path, name: str, *job: str | int) -> None:
    from twosome import files

    part = PARTS[name]
    files.write_json(folder / RESULT, {"asked": part.asked(cfg, *job), "found": part.measure(cfg, folder, *job)})


def _folder(out: Path, name: str | int, *job: str | int) -> Path:
    *names, seed = job
    return out.joinpath(str(name), *map(str, names), f"seed{seed}")


def _read(cfg: DictConfig, out: Path, name: str, *job: str | int) -> Any:
    """What a job found; None where it has not been done. Raises `ConfigError` where other settings were asked for."""
    asked, file = PARTS[name].asked(cfg, *job), _folder(out, name, *job) / RESULT
    if not file.exists():
        return None
    known = json.loads(file.read_text(encoding="utf-8"))
    if known["asked"] != json.loads(json.dumps(asked)):
        differing = [key for key in asked if known["asked"].get(key) != json.loads(json.dumps(asked[key]))]
        raise ConfigError(
            f"{file} holds results of other settings ({', '.join(differing)}). Choose another folder with out=..., or "
            "delete it."
        )
    return known["found"]
