"""Single episodes with and without a search, and what they took. Shared by the benches of thinking ahead."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from twosome.agents.llm_policy import LLMPolicy
    from twosome.config.schema import EnvSettings, TrainSettings


class Played(TypedDict):
    """Means over some episodes, and the sums of what their searches took."""

    returned: float
    success: float
    decisions: int
    simulated: int
    passes: int
    leaves: int
    struck: int
    torn_down: int
    seconds: float


def play(policy: LLMPolicy, envs: Iterable[EnvSettings], seed: int, **search: Any) -> Played:
    """One greedy episode of every world, each with a search of its own. `search`: as for `twosome.Search`."""
    from twosome.agents.planner import Planner
    from twosome.agents.planning import search_settings
    from twosome.rollout.evaluate import run_episodes

    policy.clear_cache()
    begun = time.perf_counter()
    played, planners = [], []
    for env in envs:
        planners.append(Planner(policy, search_settings(**{"simulations": 0, **search}), seed))
        played += run_episodes(policy, env, 1, greedy=True, seed=seed, deliberate=planners[-1])
    return Played(
        returned=sum(e.discounted_return for e in played) / len(played),
        success=sum(e.success for e in played) / len(played),
        decisions=sum(e.decisions for e in played),
        simulated=sum(p.cost.steps for p in planners),
        passes=sum(p.cost.passes for p in planners),
        leaves=sum(p.cost.leaves for p in planners),
        struck=sum(p.struck for p in planners),
        torn_down=sum(p.torn_down for p in planners),
        seconds=time.perf_counter() - begun,
    )


def instances(env: EnvSettings) -> list[EnvSettings]:
    """Every episode that a world may draw, as a world of its own; a world that draws nothing is its only one."""
    from twosome.rollout.contract import make_env

    made = make_env(env)
    try:
        inner: Any = made.unwrapped
        found = inner.instances() if hasattr(inner, "instances") else [{}]
    finally:
        made.close()
    return [dataclasses.replace(env, kwargs={**env.kwargs, **kwargs}) for kwargs in found]


def optimum_of(env: EnvSettings) -> float:
    """The best return: of the settings, or what the world itself says of its instance."""
    from twosome.rollout.contract import make_env

    if env.optimum is not None:
        return env.optimum
    made = make_env(env)
    try:
        return float(made.reset(seed=0)[1]["optimum"])
    finally:
        made.close()


def trained(settings: TrainSettings) -> dict[str, Any]:
    """The summary of a run in `settings.run_dir`, begun or continued first unless it is finished."""
    from twosome.files import read_json
    from twosome.training.loop import train
    from twosome.training.run_folder import open_run

    finished = Path(str(settings.run_dir)) / "summary.json"
    return read_json(finished) if finished.exists() else train(open_run(settings))


def policy_at(run: Path, step: float) -> LLMPolicy:
    """The policy of a run's last checkpoint up to a step; before the first one that of its beginning."""
    from twosome.config.saved import saved_settings
    from twosome.systems.build import build_policy
    from twosome.systems.load import load

    steps = {int(folder.name.split("-")[1]): folder for folder in (run / "checkpoints").glob("step-*")}
    there = [at for at in steps if at <= step]
    if there:
        return load(steps[max(there)])
    cfg: TrainSettings = saved_settings(run / "config.yaml")
    return build_policy(cfg)
