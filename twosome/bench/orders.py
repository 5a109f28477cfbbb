"""Dishes learnt one at a time and ordered together: one policy, flat and split, alone and thinking ahead.

The policies are those of ordinary runs of `env=salads`: single dishes drawn at random, never two in one episode.
`flat` plays the orders as they are; `split` plays them part by part, each under the goal that the policy was trained
with. What a search decides is not random, and neither is the world, so one episode tells all; the policy alone is
sampled as well.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from twosome.bench.episodes import trained
from twosome.bench.runs import Job, run_dir

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.config.schema import TrainSettings
    from twosome.rollout.checked_env import World

ORDERS = ("orders_2", "orders_3")


def jobs(cfg: DictConfig) -> list[Job]:
    return [(cfg.orders.env, seed) for seed in range(cfg.orders.seeds)]


def asked(cfg: DictConfig, env: str, seed: int) -> dict[str, Any]:
    """What a job depends on. Raises `ConfigError` for a world, search or override that does not exist."""
    from twosome.agents.planning import search_settings

    for n in cfg.orders.simulations:
        search_settings(simulations=n)
    steps = settings_of(cfg, env, seed, Path("run")).total_steps
    return {"steps": steps, "simulations": list(cfg.orders.simulations), "episodes": cfg.orders.episodes}


def settings_of(cfg: DictConfig, env: str, seed: int, folder: Path) -> TrainSettings:
    """The settings of one training run. Raises `ConfigError` for a world or override that does not exist."""
    from twosome.config.compose import compose

    steps = f"total_steps={cfg.orders.steps}"
    return compose([f"env={env}", f"seed={seed}", run_dir(folder), steps, "log.tensorboard=false", *cfg.overrides])


def measure(cfg: DictConfig, folder: Path, env: str, seed: int) -> list[dict[str, Any]]:
    """Train on single dishes, then play all orders."""
    run = folder / "run"
    trained(settings_of(cfg, env, seed, run))
    found = rows([str(run)], ORDERS, cfg.orders.simulations, cfg.orders.episodes, seed)
    return [row._replace(run=f"seed {seed}")._asdict() for row in found]


def table(found: dict[Job, Any]) -> str:
    """All rows of all seeds."""
    return markdown([Row(**row) for result in found.values() for row in result]) + "\n"


class Row(NamedTuple):
    """One policy in one world. Returns are discounted, those of `split` with the steps of its internal actions.

    `share`: of `optimum`, the best return in the world as it is, flat; `in_world`: the return there of the same actions
    without the internal ones, so the difference is the price of thinking. `sampled`: mean over `episodes`, None with a
    search. `steps`: simulated; `passes`: forward passes of the model; `seconds`: on the clock, of the greedy episode.
    """

    run: str
    orders: str
    how: str
    simulations: int
    optimum: float
    greedy: float
    share: float
    in_world: float
    success: bool
    decisions: int
    steps: int
    passes: int
    seconds: float
    episodes: int
    sampled: float | None
    sampled_success: float | None


def rows(
    runs: Sequence[str],
    orders: Sequence[str] = ORDERS,
    simulations: Sequence[int] = (0, 32, 128),
    episodes: int = 100,
    seed: int = 0,
) -> Iterator[Row]:
    """Play every order with every policy, flat and split. Each row begins with a policy freshly loaded.

    `orders`: names of conf/env, each with a `<name>_split` beside it.
    """
    for run in runs:
        for name in orders:
            for how in ("flat", "split"):
                for n in simulations:
                    yield _row(run, name, how, n, episodes, seed)


def _row(run: str, name: str, how: str, simulations: int, episodes: int, seed: int) -> Row:
    from twosome.agents.planner import Planner
    from twosome.agents.planning import search_settings
    from twosome.config.compose import compose
    from twosome.rollout.checked_env import World
    from twosome.rollout.driver import Tolerance, drive
    from twosome.rollout.evaluate import run_episodes, summarize
    from twosome.systems.load import load

    flat = compose([f"env={name}"]).env
    env = compose([f"env={name}_split"]).env if how == "split" else flat
    assert flat.optimum is not None
    policy = load(run)
    planner = Planner(policy, search_settings(simulations=simulations), seed) if simulations else None
    before, begun = policy.counts["passes"], time.perf_counter()
    world = World(env, policy, seed, 0)
    world.reset()
    while not world.is_over:
        [step] = drive([world], policy, None, Tolerance(), planner)
    seconds, passes = time.perf_counter() - begun, policy.counts["passes"] - before
    assert step.step is not None
    greedy, in_world = step.step.episode, _without_thinking(world.actions, World(flat, policy, seed, 0))
    assert greedy is not None
    world.close()
    sampled = None
    if planner is None and episodes:
        sampled = summarize(run_episodes(policy, env, episodes, greedy=False, seed=seed), seed)
    return Row(
        run=Path(run).name,
        orders=name,
        how=how,
        simulations=simulations,
        optimum=flat.optimum,
        greedy=greedy.discounted_return,
        share=greedy.discounted_return / flat.optimum,
        in_world=in_world,
        success=greedy.success,
        decisions=greedy.decisions,
        steps=0 if planner is None else planner.cost.steps,
        passes=passes,
        seconds=seconds,
        episodes=0 if sampled is None else episodes,
        sampled=None if sampled is None else sampled["return_mean"],
        sampled_success=None if sampled is None else sampled["success_rate"],
    )


def _without_thinking(actions: Sequence[int], world: World) -> float:
    """The return of an episode's actions in the world as it is, where internal ones have no place in the menu."""
    world.reset()
    for action in actions:
        if world.env.action_space.contains(action):
            world.step(world.menu.indices.index(action))
    world.close()
    return world.discounted_return


COLUMNS = (
    "run",
    "orders",
    "played",
    "simulations",
    "greedy return",
    "of the optimum",
    "without thinking",
    "success",
    "decisions",
    "sampled return",
    "success",
    "steps simulated",
    "passes",
    "seconds",
)


def markdown(found: Sequence[Row]) -> str:
    """The rows as a table."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for r in found:
        sampled = ["", ""] if r.sampled is None else [f"{r.sampled:.4f}", f"{r.sampled_success:.0%}"]
        cells = [r.run, r.orders, r.how, str(r.simulations), f"{r.greedy:.4f}", f"{r.share:.1%}", f"{r.in_world:.4f}"]
        cells += ["yes" if r.success else "no", str(r.decisions), *sampled]
        cells += [f"{r.steps:,}", f"{r.passes:,}", f"{r.seconds:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
