"""Look at one decision in the terminal: `twosome-inspect env=tomato_salad checkpoint=RUN state=start`."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from typing import TYPE_CHECKING

from twosome import files
from twosome.cli import command
from twosome.config.trust import must_be_trusted
from twosome.errors import ConfigError
from twosome.terminal import printable

if TYPE_CHECKING:
    from twosome.agents.llm_policy import LLMPolicy
    from twosome.config.schema import EnvSettings, InspectSettings
    from twosome.inspection.plan import Plan
    from twosome.rollout.checked_env import World

UNTRAINED = 1e-6  # nats by which an adapter that changes nothing may seem to


def main(argv: list[str] | None = None) -> None:
    """The command `twosome-inspect`."""
    arguments = sys.argv[1:] if argv is None else argv
    # Hydra reads a bare comma as several runs; here it separates the actions of one state.
    command.run("inspect", job, [re.sub(r"^(state)=\[?([\d, ]+)\]?$", r"\1='\2'", a) for a in arguments])


def job(cfg: InspectSettings) -> None:
    """One look at one state."""
    from twosome.rollout.first_look import first_look
    from twosome.systems.build import build_policy
    from twosome.systems.checkpoints import choose_checkpoint
    from twosome.systems.load import advise, find, load
    from twosome.systems.remembered import advisor_of, find_memory

    steps = parse_state(cfg.state)
    given = None if cfg.memory_from is None else find_memory(cfg.memory_from, which=cfg.which, overrides=cfg.overrides)
    if cfg.env is not None:
        first_look(cfg.env, cfg.seed)
    if cfg.checkpoint is None:
        if cfg.env is None:
            raise ConfigError("env=... is missing: a name of conf/env such as env=tomato_salad, or checkpoint=RUN.")
        policy, env, memory = build_policy(cfg, adapter=False), cfg.env, given
    else:
        which, said = choose_checkpoint(cfg.checkpoint, cfg.which)
        found = find(cfg.checkpoint, checkpoint=which, overrides=cfg.overrides)
        if found.folder is not None and not cfg.json:
            of_run = f" ({which})" if found.folder != files.user_path(cfg.checkpoint, "checkpoint") else ""
            print(printable(f"Checkpoint: {found.folder.name}{of_run}. {said}".strip()))
        if cfg.env is None:
            place = files.user_path(cfg.checkpoint, "checkpoint")
            must_be_trusted(found.settings, cfg.overrides, place, runs_environment=True)
        memory = advisor_of(found.settings, found.folder, given, cfg.overrides, cfg.checkpoint)
        env = cfg.env or found.settings.env
        policy = load(cfg.checkpoint, checkpoint=which, overrides=cfg.overrides)
    if memory is not None and not cfg.json:
        print(printable(f"Memory: {memory}. {memory.said}".strip()))
    if given is not None:
        advise(policy, given)
    show(policy, reach(env, policy, cfg.seed, steps), cfg)


def parse_state(state: str) -> list[int]:
    """The action indices that lead to a state.

    >>> parse_state("start"), parse_state("0, 3,1")
    ([], [0, 3, 1])
    """
    text = str(state).strip()
    if text == "start":
        return []
    if not re.fullmatch(r"\d+(\s*,\s*\d+)*", text):
        raise ConfigError(
            f"state={text!r} cannot work: expected `start`, or the action indices that lead to the state, "
            "as in state=0,3,1."
        )
    return [int(part) for part in text.split(",")]


def reach(env: EnvSettings, policy: LLMPolicy, seed: int, steps: list[int]) -> World:
    """The world after these actions. Raises `ConfigError` for an action that is not allowed there."""
    from twosome.rollout.checked_env import World

    world = World(env, policy, seed, 0)
    world.reset()
    place = f"state={','.join(map(str, steps))}"
    for n, action in enumerate(steps):
        if action not in world.menu.indices:
            menu = ", ".join(f"{i}: {a}" for i, a in zip(world.menu.indices, world.menu.phrases, strict=True))
            raise ConfigError(f"{place}: action {action} (the {n + 1}. one) is not allowed there. Allowed are {menu}.")
        world.step(world.menu.indices.index(action))
        if world.is_over:
            raise ConfigError(
                f"{place}: the episode is over after {n + 1} actions, and an ended one has no menu. Give fewer actions."
            )
    return world


def show(policy: LLMPolicy, world: World, cfg: InspectSettings) -> None:
    """Scene, table and, of a trained policy, what its adapter changed."""
    import numpy as np
    from rich.text import Text

    from twosome.inspection.comparison import compare, inspect_state
    from twosome.terminal import Console

    d = inspect_state(policy, world.observation, world.info, normalization=cfg.normalization)
    plan = _plan(policy, world, cfg) if cfg.search.simulations else None
    if cfg.json:
        told = {"goal": world.observation["goal"], "scene": world.observation["scene"], **d.to_dict()}
        print(json.dumps(told if plan is None else told | {"plan": plan.to_dict()}))
        return
    # A file or pipe has no width of its own; a table cut at 80 columns would lose the numbers.
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(Text(f"Goal:  {world.observation['goal']}"))
    console.print(Text(f"Scene: {world.observation['scene']}"), end="\n\n")
    console.print(d)
    if plan is not None:
        console.print(Text("\nWhat a search would do", style="bold"))
        console.print(plan)
    if cfg.checkpoint is not None and cfg.compare:
        parts = {
            f"adapter {name}": policy.inspect_decision(world.decision, normalization=cfg.normalization, adapter=is_on)
            for name, is_on in (("off", False), ("on", True))
        }
        if np.allclose(parts["adapter off"].scores, parts["adapter on"].scores, atol=UNTRAINED, rtol=0):
            console.print(Text("\nThe adapter changes nothing: it was not trained.", style="bold"))
            return
        console.print(Text("\nWhat the adapter changed", style="bold"))
        console.print(compare(parts))


def _plan(policy: LLMPolicy, world: World, cfg: InspectSettings) -> Plan:
    from twosome.agents.planning import Search

    return Search(policy, seed=cfg.seed, **dataclasses.asdict(cfg.search)).plan_world(world)


if __name__ == "__main__":
    main()
