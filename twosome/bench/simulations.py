"""Return against simulations: policies that have learnt for a part of their steps, with PUCT and with Gumbel search.

Both with the critic alone and with playouts of the policy beside it, these at the numbers of `with_playouts` alone.
The policies are those of the part `iteration` (method `twosome`, PPO): untrained, and after a quarter, a half and so on
of the steps that the run took to 99 % of the optimum. One greedy episode each: these worlds have no randomness.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.bench.episodes import play, policy_at
from twosome.bench.runs import Job
from twosome.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

ALGORITHMS = ("puct", "gumbel")


def jobs(cfg: DictConfig) -> list[Job]:
    return [(env, seed) for env in cfg.envs for seed in range(cfg.seeds)]


def asked(cfg: DictConfig, env: str, seed: int) -> dict[str, Any]:
    """What a job depends on. Raises `ConfigError` for a search or a world that cannot be."""
    from twosome.agents.planning import search_settings
    from twosome.config.compose import compose

    compose([f"env={env}", f"seed={seed}"])
    for n in (*cfg.simulations, *cfg.with_playouts):
        search_settings(simulations=n)
    return {name: list(cfg[name]) for name in ("shares", "simulations", "with_playouts")}


def trained(cfg: DictConfig, env: str, seed: int) -> tuple[Path, float, float]:
    """The PPO run of a world: its folder, its steps to 99 % (all, where it never came there), and the optimum."""
    folder = Path(cfg.out).expanduser() / "iteration" / "twosome" / env / f"seed{seed}"
    if not (folder / "result.json").exists():
        raise ConfigError(
            f"{folder} holds no finished run: do the part `iteration` with the method `twosome` first, such as "
            f"parts=[iteration,simulations] methods=[twosome] envs=[{env}]."
        )
    found = json.loads((folder / "result.json").read_text(encoding="utf-8"))["found"]
    there = found["to"]["0.99"]
    return folder / "run", there["decisions"] if there else found["decisions"], found["optimum"]


def measure(cfg: DictConfig, folder: Path, env: str, seed: int) -> list[dict[str, Any]]:
    """An episode for every share of the training, algorithm and number of simulations."""
    from twosome.config.compose import compose

    run, steps, optimum = trained(cfg, env, seed)
    world, rows = compose([f"env={env}"]).env, []
    for share in cfg.shares:
        policy = policy_at(run, share * steps)
        cells = [(0, n) for n in cfg.simulations] + [(1, n) for n in cfg.with_playouts]
        for playouts, n in cells:
            for algorithm in ALGORITHMS if n else ALGORITHMS[:1]:
                played = play(policy, [world], seed, simulations=n, algorithm=algorithm, playouts=playouts)
                how = {"share": share, "algorithm": algorithm, "playouts": playouts, "simulations": n}
                rows.append({**how, "optimum": optimum, **played})
    return rows


def table(found: dict[Job, Any]) -> str:
    """Share of the optimum, the median of the seeds and the least; in brackets passes, simulated steps and seconds."""
    blocks = []
    for env in dict.fromkeys(env for env, _ in found):
        rows = [row for (e, _), result in found.items() if e == env for row in result]
        counts = sorted({row["simulations"] for row in rows})
        lines = [
            f"| {env}: trained for, search | {' | '.join(f'{n} simulations' for n in counts)} |",
            "|---|" + "---|" * len(counts),
        ]
        for share in dict.fromkeys(row["share"] for row in rows):
            for playouts in sorted({row["playouts"] for row in rows}):
                for algorithm in ALGORITHMS:
                    cells = [_cell(rows, share, n, algorithm, playouts) for n in counts]
                    label = f"{algorithm}{' and playouts' * bool(playouts)}"
                    lines.append(f"| {share:.0%}, {label} | {' | '.join(cells)} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _cell(rows: list[dict[str, Any]], share: float, simulations: int, algorithm: str, playouts: int) -> str:
    asked = share, simulations, playouts if simulations else 0
    kept = [
        r
        for r in rows
        if (r["share"], r["simulations"], r["playouts"]) == asked and (r["algorithm"] == algorithm or not simulations)
    ]
    if not kept:
        return ""
    shares = [r["returned"] / r["optimum"] for r in kept]
    passes, steps, seconds = (statistics.median([r[name] for r in kept]) for name in ("passes", "simulated", "seconds"))
    return (
        f"{statistics.median(shares):.3f}, least {min(shares):.3f} ({passes:,.0f}; {steps:,.0f} steps; {seconds:.1f} s)"
    )
