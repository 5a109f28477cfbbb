"""What a menu of many actions costs: peak memory and time per action, beside one full sequence per action.

    python -m twosome.bench menus
    python -m twosome.bench menus token_budget=4096 out=outputs/menus_4096

A menu that exceeds the token budget is scored and learnt from in pieces, so memory stays where the budget puts it. Each
row is measured in a process of its own; memory is what is resident at the worst moment beyond the loaded model, time is
of the processor.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.bench.menu_row import MOST
from twosome.bench.parts import Part, check_parts, measure_all
from twosome.bench.runs import Job, check_listed, check_numbers, leave
from twosome.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

SETTINGS = ("shape", "token_budget", "published_tokens", "repetitions")
KNOWN = {"modes": ("act", "train"), "schemes": ("ours", "published")}


def main(argv: list[str]) -> None:
    """The command; `argv` are Hydra overrides of conf/menus.yaml. Exits with 1 where a job has failed."""
    from twosome.cli import command

    command.run("menus", lambda cfg: leave(bench(cfg)["failed"]), argv)


def bench(cfg: DictConfig) -> dict[str, Any]:
    """Do the jobs that are missing, then write `menus.json` and `menus.md` into `cfg.out`."""
    check_numbers(cfg, seeds=1, workers=1, token_budget=64, published_tokens=0, repetitions=1)
    check_listed(cfg, "parts", "actions", "modes", "schemes")
    check_parts(cfg, PARTS)
    for name, known in KNOWN.items():
        if wrong := [x for x in cfg[name] if x not in known]:
            raise ConfigError(f"{name}={wrong} cannot work. Known: {', '.join(known)}.")
    if wrong := [n for n in cfg.actions if type(n) is not int or not 1 <= n <= MOST]:
        raise ConfigError(f"actions={wrong} cannot work: expected whole numbers from 1 to {MOST}.")
    return measure_all("menus", PARTS, cfg)


def jobs(cfg: DictConfig) -> list[Job]:
    return [(s, m, n, k) for k in range(cfg.seeds) for m in cfg.modes for n in cfg.actions for s in cfg.schemes]


def asked(cfg: DictConfig, scheme: str, mode: str, actions: int, seed: int) -> dict[str, Any]:
    """What a row depends on."""
    return {"scheme": scheme, "mode": mode, "actions": actions, "seed": seed} | {name: cfg[name] for name in SETTINGS}


def measure(cfg: DictConfig, folder: Path, *job: Any) -> dict[str, Any]:
    """One row, in a process that has done nothing before."""
    from twosome.bench import menu_row

    return menu_row.measure(asked(cfg, *job))


def table(found: dict[Job, Any]) -> str:
    """A line per mode and scheme: peak memory beyond the model, and time per action, by the size of the menu."""
    sizes = sorted({int(job[2]) for job in found})
    lines = [
        "Peak MiB beyond the loaded model / ms of the processor per action (tokens forwarded).",
        "",
        "| mode, scheme | " + " | ".join(f"{n} actions" for n in sizes) + " |",
        "|---|" + "---|" * len(sizes),
    ]
    for mode, scheme in dict.fromkeys((job[1], job[0]) for job in found):
        cells = [_cell([r for job, r in found.items() if job[:3] == (scheme, mode, n) and r], n) for n in sizes]
        lines.append(f"| {mode}, {scheme} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(rows: list[dict[str, Any]], actions: int) -> str:
    if not rows:
        return "not run"
    memory = [r["peak_memory"] for r in rows if r["peak_memory"] is not None]
    held = f"{max(memory) / 2**20:.0f}" if memory else "?"
    time = min(t for r in rows for t in r["cpu_seconds"]) / actions
    return f"{held} / {1000 * time:.2f} ({rows[0]['tokens']:,})"


PARTS = {"menus": Part(jobs, asked, measure, table)}
