"""A bench of several parts: what each asks, what it measures, and the table of all that was found.

Every job lies in `out/<part>/<its names>/seed<k>` and ends with `result.json`, so an interrupted bench continues where
it was; results of other settings are refused. What `out/<bench>.json` of an earlier sitting holds counts as done, so
that file alone, copied to where the next sitting writes, is enough to go on.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from twosome.bench.runs import Job, run_all, shipped
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


def parts_of(*modules: Any) -> dict[str, Part]:
    """Modules that each hold one part, by their names."""
    return {m.__name__.rpartition(".")[2]: Part(m.jobs, m.asked, m.measure, m.table) for m in modules}


def check_parts(cfg: DictConfig, parts: Mapping[str, Part]) -> None:
    """Refuse a part that does not exist. Raises `ConfigError`."""
    for name in cfg.parts:
        if name not in parts:
            raise ConfigError(f"Unknown part {name!r}.{near(name, list(parts))} Known: {', '.join(parts)}.")


def measure_all(bench: str, parts: Mapping[str, Part], cfg: DictConfig) -> dict[str, Any]:
    """Do the jobs that are missing, then write `<bench>.json` and `<bench>.md` into `cfg.out`. Returns the former."""
    from twosome.versions import versions

    out = Path(cfg.out).expanduser()
    earlier = _earlier(out / f"{bench}.json")
    jobs = {name: part.jobs(cfg) for name, part in parts.items() if name in cfg.parts}
    known = {(name, *job): _read(parts, cfg, out, earlier, name, *job) for name in jobs for job in jobs[name]}
    if not cfg.run and (table := shipped(bench, any(result is not None for result in known.values()))):
        print(table)
        return {"failed": []}
    done, failed, tables = dict(earlier), [], []
    for name, asked in jobs.items():
        waiting = [(name, *job) for job in asked if cfg.run and known[name, *job] is None]
        print(f"{name}: {len(asked)} jobs, {len(waiting)} of them to do; results in {out}")
        work = functools.partial(_run, parts)
        failed += run_all(work, cfg, waiting, lambda *job: _folder(out, *job), cfg.workers)
        here = {job: one for job in asked if (one := _read(parts, cfg, out, earlier, name, *job)) is not None}
        done |= {(name, *job): one for job, one in here.items()}
        table = parts[name].table({job: one["found"] for job, one in here.items()}) if here else "not run"
        tables.append(f"## {name}\n\n{table}\n")
    results = {name: [one | {"job": job} for (part, *job), one in done.items() if part == name] for name in parts}
    report = {"versions": versions(), "seeds": cfg.seeds, "failed": failed, "results": results}
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{bench}.json").write_text(json.dumps(report) + "\n", encoding="utf-8")
    (out / f"{bench}.md").write_text("\n".join(tables), encoding="utf-8")
    print("\n".join(tables))
    return report


def _run(parts: Mapping[str, Part], cfg: DictConfig, folder: Path, name: str, *job: str | int) -> None:
    from twosome import files

    part = parts[name]
    files.write_json(folder / RESULT, {"asked": part.asked(cfg, *job), "found": part.measure(cfg, folder, *job)})


def _folder(out: Path, name: str | int, *job: str | int) -> Path:
    *names, seed = job
    return out.joinpath(str(name), *map(str, names), f"seed{seed}")


def _earlier(file: Path) -> dict[Job, Any]:
    """What an earlier sitting found, by part and job; without what its jobs depended on it cannot be compared."""
    results = json.loads(file.read_text(encoding="utf-8"))["results"] if file.exists() else {}
    rows = [(name, row) for name, found in results.items() for row in found if "asked" in row]
    return {(name, *row["job"]): {"asked": row["asked"], "found": row["found"]} for name, row in rows}


def _read(
    parts: Mapping[str, Part], cfg: DictConfig, out: Path, earlier: Mapping[Job, Any], name: str, *job: str | int
) -> Any:
    """What a job was asked and found; None where it has not been done.

    Raises `ConfigError` where other settings were asked for.
    """
    asked, file = json.loads(json.dumps(parts[name].asked(cfg, *job))), _folder(out, name, *job) / RESULT
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else earlier.get((name, *job))
    if known is None:
        return None
    if known["asked"] != asked:
        differing = [key for key in asked if known["asked"].get(key) != asked[key]]
        place = file if file.exists() else out
        raise ConfigError(
            f"{place} holds results of other settings ({', '.join(differing)}). Choose another folder with out=..., or "
            "delete it."
        )
    return known
