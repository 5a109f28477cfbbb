"""Worlds that draw an instruction: memories of a few instructions, tried on a hundred others.

    alone       the model without a memory
    initial     the best plans of two instructions of the other training set, as they are: fixed examples
    annotated   the best plans of all instructions of the training set
    learnt      begun with `initial`, then learnt on the training set
    placebo     the learnt one with its values handed out at random

Each for two training sets and two initial memories: what a memory begins with must not decide (Zhang et al. 2023).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.bench.episodes import instances, optimum_of, trained
from twosome.bench.exact_values import action_values, permuted, ways
from twosome.bench.runs import Job, run_dir
from twosome.memory.records import Records

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.agents.llm_policy import LLMPolicy
    from twosome.config.schema import EnvSettings, MemorySettings, TrainSettings

PLANS = 2  # in an initial memory


def jobs(cfg: DictConfig) -> list[Job]:
    return [
        (world, variant, f"set{k}", initial)
        for world in cfg.instructed.worlds
        for variant in cfg.variants.instructed
        for k in cfg.instructed.sets
        for initial in cfg.instructed.initial
    ]


def asked(cfg: DictConfig, world: str, variant: str, which: str, initial: int) -> dict[str, Any]:
    """What a job depends on. Raises `ConfigError` for a world or override that does not exist."""
    c = cfg.instructed
    settings = settings_of(cfg, world, which, initial, Path("run"), *c.learn)
    settings_of(cfg, world, which, initial, Path("run"), *c.variants[variant])
    sizes = {"instances": c.instances, "episodes": c.episodes, "steps": settings.total_steps}
    return {"variant": list(c.variants[variant]), "learn": list(c.learn), **sizes, "overrides": list(cfg.overrides)}


def settings_of(cfg: DictConfig, world: str, which: str, initial: int, folder: Path, *more: str) -> TrainSettings:
    """The settings of one run. Raises `ConfigError` for a world or override that does not exist."""
    from twosome.config.compose import compose

    return compose([
        f"env={world}", f"env.kwargs.split=train_{which[-1]}", "method=memory", f"seed={initial}", run_dir(folder),
        f"total_steps={cfg.instructed.steps}", "log.tensorboard=false", "log.eval_interval=0", "log.stop_at=null",
        "log.eval_episodes_final=1", *cfg.overrides, *more,
    ])  # fmt: skip


def measure(cfg: DictConfig, folder: Path, world: str, variant: str, which: str, initial: int) -> dict[str, Any]:
    """Make the memories, and play what none of them has met with each."""
    from twosome import files
    from twosome.agents.remembering import Remembering
    from twosome.config.compose import compose
    from twosome.systems.build import build_policy, similarity_of
    from twosome.systems.load import load

    run, job = folder / "run", (world, which, initial)
    settings = settings_of(cfg, *job, run, *cfg.instructed.variants[variant])
    own, other = (instances(compose([f"env={world}", f"env.kwargs.split=train_{k}"]).env) for k in _sets(which))
    memories = {"alone": Records(settings.memory)}
    memories["initial"] = of_plans(other[PLANS * initial : PLANS * (initial + 1)], settings.memory)
    memories["annotated"] = of_plans(own, settings.memory)
    files.write_json(folder / "initial.json", memories["initial"].state_dict())
    begin = str(folder / "initial.json").replace("'", "\\'")
    summary = trained(settings_of(cfg, *job, run, *cfg.instructed.learn, f"memory.init='{begin}'"))
    learnt = load(run).prompter.recall
    assert isinstance(learnt, Remembering)
    memories["learnt"] = learnt.records
    memories["placebo"] = permuted(learnt.records, initial)
    unseen = instances(compose([f"env={world}_test"]).env)[: cfg.instructed.instances]
    policy = build_policy(settings, adapter=False)
    rows = {}
    for name, records in memories.items():
        policy.remind(Remembering(records, similarity_of(settings.memory, policy), settings.memory))
        rows[name] = {"records": len(records), **play(policy, unseen, cfg.instructed.episodes, initial)}
    optimum = statistics.fmean(optimum_of(env) for env in unseen)
    return {"optimum": optimum, "rows": rows, "decisions": summary["env_steps"], "seconds": summary["wall_seconds"]}


def _sets(which: str) -> tuple[int, int]:
    return int(which[-1]), 1 - int(which[-1])


def of_plans(envs: Iterable[EnvSettings], settings: MemorySettings) -> Records:
    """A memory of the best plan of every world: what was done, and what it is worth."""
    rows: list[Any] = []
    begins: dict[str, str] = {}
    for env in envs:
        seen, found = ways(env)
        values = action_values(found)
        at: int | None = 0
        begins.setdefault(*seen[0])
        while at is not None:
            best = max(values[at].values())
            way = next(way for way in found[at] if values[at][way.action] == best)
            rows.append([*seen[at], 1, [[way.action, best, best, 1]]])
            at = way.to
    records = Records(settings)
    records.load_state_dict({"begins": begins, "records": rows})
    return records


def play(policy: LLMPolicy, envs: Iterable[EnvSettings], episodes: int, seed: int) -> dict[str, float]:
    """One greedy and some sampled episodes of every world: mean returns and successes."""
    from twosome.rollout.evaluate import run_episodes

    policy.clear_cache()
    found: dict[str, float] = {}
    for how, many in (("greedy", 1), ("sampled", episodes)):
        played = [e for env in envs for e in run_episodes(policy, env, many, greedy=how == "greedy", seed=seed)]
        found[how] = statistics.fmean(e.discounted_return for e in played)
        found[f"{how} success"] = statistics.fmean(e.success for e in played)
    return found


def table(found: dict[Job, Any]) -> str:
    """Means over training sets and initial memories, the least and the most in brackets."""
    lines = [
        "| world (optimum) | variant | memory | records | greedy return | success | sampled return | success |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for world, variant in dict.fromkeys((w, v) for w, v, *_ in found):
        results = [result for (w, v, *_), result in found.items() if (w, v) == (world, variant)]
        for name in results[0]["rows"]:
            rows = [r["rows"][name] for r in results]
            cells = [f"{statistics.fmean(r['records'] for r in rows):,.0f}"]
            cells += [
                _mean([r[key] for r in rows]) for key in ("greedy", "greedy success", "sampled", "sampled success")
            ]
            lines.append(f"| {world} ({results[0]['optimum']:.4f}) | {variant} | {name} | {' | '.join(cells)} |")
        decisions, seconds = (statistics.fmean(r[key] for r in results) for key in ("decisions", "seconds"))
        lines.append(f"| {world} | {variant} | learnt in {decisions:,.0f} decisions, {seconds:,.0f} s | | | | | |")
    return "\n".join(lines) + "\n"


def _mean(values: list[float]) -> str:
    return f"{statistics.fmean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
