"""The command `twosome-eval`: checkpoints x environments in one table, JSON, CSV and a picture."""

from __future__ import annotations

import dataclasses
import itertools
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from twosome import files
from twosome.cli import command
from twosome.config.agent import is_of_agent, world_title
from twosome.config.check import listed
from twosome.config.names import REMEMBERING, key_of
from twosome.errors import CheckpointError, TwosomeError
from twosome.terminal import printable, say

if TYPE_CHECKING:
    from twosome.config.schema import EnvSettings, EvalSettings
    from twosome.protocols import TrainedPolicy
    from twosome.rollout.workers import Workers
    from twosome.systems.load import Found
    from twosome.systems.remembered import Memory

OWN = "own"  # the name of a world that conf/env does not have


class Source(NamedTuple):
    """What is evaluated: as it was named, its part of a report's name, which checkpoint, where, and what advises it."""

    name: str
    label: str
    which: str
    found: Found
    memory: Memory | None


def main(argv: list[str] | None = None) -> None:
    """The command `twosome-eval`."""
    command.run("eval", job, sys.argv[1:] if argv is None else argv)


def job(cfg: EvalSettings) -> list[dict[str, Any]]:
    """Evaluate every checkpoint in every environment. Returns what `eval.json` holds under `results`.

    Sources, worlds and the place of the results are looked at first; every result is written as soon as it is there.
    """
    from twosome.rollout.workers import Workers

    of_world = [o for o in cfg.overrides if key_of(o).startswith("env.") or is_of_agent(o)]
    of_world = of_world if cfg.envs is not None else []
    cfg.overrides = [o for o in cfg.overrides if o not in of_world]
    with Workers(cfg.num_workers) as workers:
        return _job(cfg, _worlds(cfg, of_world, workers), workers)


def _job(cfg: EvalSettings, worlds: dict[str, EnvSettings], workers: Workers) -> list[dict[str, Any]]:
    """The same with the worlds made out; none stands for that of each source."""
    from twosome.cli.evaluate_output import RESULTS, keep_earlier, show_results, write_results

    sources = _sources(cfg, trains_own=not worlds)
    out = files.user_path(cfg.out, "out") if cfg.out else _default_out(sources[0].name)
    files.must_be_writable(out, *RESULTS)
    cells = [(source, world) for source in sources for world in worlds.items() or [(OWN, source.found.settings.env)]]
    pages = [_page(cfg, source, *world) for source, world in cells] if cfg.report else []
    keep_earlier(out, [name for page in pages for name in (page, page.replace(".html", ".gif"))])
    chance: dict[str, dict[str, Any]] = {}  # what random play comes to, by environment
    results: list[dict[str, Any]] = []
    try:
        for source, world in cells:
            page = out / _page(cfg, source, *world) if cfg.report else None
            results.append(_evaluate_one(cfg, source, world, page, chance, workers))
            write_results(out, results)
    except TwosomeError:
        if results:
            say(f"{len(results)} finished evaluations are in {out / 'eval.json'}.")
        raise
    show_results(out, results)
    return results


def _page(cfg: EvalSettings, source: Source, name: str, env: EnvSettings) -> str:
    """The file of a report: named after what is evaluated, where, how far it thinks ahead, what advises it."""
    ahead = f"_{cfg.search.simulations}_simulations" if cfg.search.simulations else ""
    advised = f"_memory_{_plain(Path(cfg.memory_from).name)}" if cfg.memory_from else ""
    return f"report_{source.label}_{_plain(_title(name, env))}{ahead}{advised}.html"


def _title(name: str, env: EnvSettings) -> str:
    """A world's name of conf/env; of one that has none the end of its id."""
    return name if name != OWN else world_title(env)


def _worlds(cfg: EvalSettings, overrides: list[str], workers: Workers) -> dict[str, EnvSettings]:
    """The named worlds, each looked at: a mistake costs nothing here."""
    from twosome.config.compose import compose
    from twosome.rollout.first_look import first_look

    worlds = {str(name): compose([f"env={name}", *overrides]).env for name in listed(cfg.envs)}
    for world in worlds.values():
        first_look(world, cfg.seed, workers=workers)
    return worlds


def _sources(cfg: EvalSettings, *, trains_own: bool) -> list[Source]:
    """What is to be evaluated, each found and whole. `trains_own`: in the worlds that they were trained on."""
    from twosome.config.trust import must_be_trusted
    from twosome.lm.loading import read_config
    from twosome.systems.checkpoints import choose_checkpoint
    from twosome.systems.load import find
    from twosome.systems.remembered import advisor_of

    given = _given_memory(cfg)
    sources: list[Source] = []
    for name in map(str, listed(cfg.checkpoint)):
        which, said = choose_checkpoint(name, cfg.which)
        if said:
            print(printable(said))
        found = find(name, checkpoint=which, overrides=cfg.overrides)
        if found.folder is None:
            read_config(found.settings.model)  # raises where there is no such model
        if trains_own:
            must_be_trusted(found.settings, cfg.overrides, files.user_path(name, "checkpoint"), runs_environment=True)
        path = Path(name)
        label = _plain(path.name if path.parent.name != "checkpoints" else f"{path.parts[-3]}_{path.name}")
        memory = advisor_of(found.settings, found.folder, given, cfg.overrides, name)
        if given is not None and found.settings.method in REMEMBERING:
            print(printable(f"{name}: its own memory is set aside, the one that was given advises."))
        known = [s.label for s in sources]
        again = next(f"{label}_{k}" for k in itertools.count(2) if f"{label}_{k}" not in known)
        sources.append(Source(name, label if label not in known else again, which, found, memory))
    return sources


def _given_memory(cfg: EvalSettings) -> Memory | None:
    """The memory of `memory=PATH`, told in a line; None where none is given."""
    from twosome.systems.remembered import find_memory

    if cfg.memory_from is None:
        return None
    memory = find_memory(cfg.memory_from, which=cfg.which, overrides=cfg.overrides)
    print(printable(f"Memory: {memory}. {memory.said}".strip()))
    return memory


def _evaluate_one(
    cfg: EvalSettings,
    source: Source,
    world: tuple[str, EnvSettings],
    page: Path | None,
    chance: dict[str, dict[str, Any]],
    workers: Workers,
) -> dict[str, Any]:
    """One checkpoint in one environment, beside uniformly random play. `page`: where its report goes, if anywhere."""
    from twosome import report
    from twosome.agents.planner import Planner
    from twosome.rollout.evaluate import evaluate, run_episodes, summarize
    from twosome.systems.baselines.random import RandomPolicy
    from twosome.systems.load import advise, build_found

    settings, (name, env) = source.found.settings, world
    policy = build_found(source.found)
    if cfg.memory_from is not None and source.memory is not None:
        advise(policy, source.memory)
    planner = Planner(policy, cfg.search, cfg.seed) if cfg.search.simulations else None
    evaluation = evaluate(policy, env, cfg.episodes, cfg.seed, deliberate=planner, workers=workers)
    recalled = {} if source.memory is None else _recalled(policy, source.memory)
    if repr(env) not in chance:
        played = run_episodes(RandomPolicy(), env, cfg.episodes, greedy=False, seed=cfg.seed, workers=workers)
        chance[repr(env)] = summarize(played, cfg.seed)
    if page is not None:
        about: dict[str, Any] = {
            "gae_lambda": settings.ppo.gae_lambda,
            "model": settings.model.name,
            "run": _told(source),
            "deliberate": planner,
        }
        report.write(page, policy, env, cfg.report_episodes, seed=cfg.seed, **about)
        print(printable(f"Report: {page}"))
    return {
        "checkpoint": source.name,
        "which": source.which,
        "folder": None if source.found.folder is None else source.found.folder.name,
        "environment": _title(name, env),
        "env_id": env.id.split(":")[-1],
        "trained_on": settings.env.id.split(":")[-1],
        "model": settings.model.name,
        "seed": cfg.seed,
        "optimum": env.optimum,
        "scorer": policy.describe_scorer(),
        **_history(source.name),
        "eval_after": evaluation,
        **evaluation,
        "random": chance[repr(env)],
        "memory": None if source.memory is None else source.memory.facts() | {"recall": recalled},
        "search": None if planner is None else dataclasses.asdict(cfg.search) | dataclasses.asdict(planner.cost),
    }


def _recalled(policy: TrainedPolicy, memory: Memory) -> dict[str, float]:
    """How often the memory that advises a policy knew something; said where it never did."""
    from twosome.systems.load import tally_of

    found = {key.removeprefix("recall/"): value for key, value in tally_of(policy).metrics().items()}
    if not found.get("hits"):
        why = "memory.use=none asks for none" if memory.settings.use == "none" else "try memory.similarity=features"
        print(printable(f"Nothing was recalled from {memory}: {why}."))
    return found


def _told(source: Source) -> str:
    """The run and the step that a policy is of, for the title of its report; empty for a bare model."""
    folder = source.found.folder
    return "" if folder is None else f"run {folder.parent.parent.name}, {folder.name}"


def _history(source: str) -> dict[str, Any]:
    """What the run's own summary says of its steps and of the policy before training, where there is one."""
    path = files.user_path(source, "checkpoint")
    folder = next((f for f in (path, path.parent.parent) if (f / "summary.json").is_file()), None)
    known = files.read_json(folder / "summary.json") if folder else {}
    if not isinstance(known, dict):
        raise CheckpointError(f"{folder}/summary.json holds no summary of a run. Remove it to evaluate without.")
    return {key: known.get(key) for key in ("env_steps", "wall_seconds", "eval_before")}


def _default_out(source: str) -> Path:
    path = files.user_path(source, "checkpoint")
    if (path / "checkpoints").is_dir():
        return path
    if path.parent.name == "checkpoints":
        return path.parent.parent
    return Path("outputs").absolute() / "eval" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"


def _plain(name: str) -> str:
    """A name as part of a file's name."""
    return re.sub(r"[^\w.-]+", "_", name)[:80] or "_"


if __name__ == "__main__":
    main()
