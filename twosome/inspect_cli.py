"""Look at one decision in the terminal: `twosome-inspect env=tomato_salad checkpoint=RUN state=start`."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

from twosome.saved import must_be_trusted
from twosome.types import ConfigError

if TYPE_CHECKING:
    from twosome.policy import LLMPolicy
    from twosome.world import World


def main(argv: list[str] | None = None) -> None:
    """The command `twosome-inspect`."""
    from twosome import cli

    arguments = sys.argv[1:] if argv is None else argv
    # Hydra reads a bare comma as several runs; here it separates the actions of one state.
    cli.run("inspect", _job, [re.sub(r"^(state)=\[?([\d, ]+)\]?$", r"\1='\2'", a) for a in arguments])


def _job(cfg: Any) -> None:
    steps = parse_state(cfg.state)
    if cfg.env is None and cfg.checkpoint is None:
        raise ConfigError(
            "env=... is missing: a name of conf/env such as env=tomato_salad, or checkpoint=RUN."
        )
    policy = _policy(cfg)
    if cfg.env is None and cfg.checkpoint is not None:
        who = f"The saved settings of {cfg.checkpoint}"
        must_be_trusted(policy.train_settings, cfg.overrides, who, runs_environment=True)
    world = reach(cfg.env or policy.train_settings.env, policy.settings.prompt, cfg.seed, steps)
    show(policy, world, cfg)


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


def reach(env: Any, template: str, seed: int, steps: list[int]) -> World:
    """The world after these actions. Raises `ConfigError` for an action that is not allowed there."""
    from twosome.world import World

    world = World(env, template, seed, 0)
    world.reset()
    place = f"state={','.join(map(str, steps))}"
    for n, action in enumerate(steps):
        if action not in world.legal:
            menu = ", ".join(f"{i}: {a}" for i, a in zip(world.legal, world.decision.menu, strict=True))
            raise ConfigError(
                f"{place}: action {action} (the {n + 1}. one) is not allowed there. Allowed are {menu}."
            )
        _, _, terminated, truncated, _, _ = world.step(world.legal.index(action))
        if terminated or truncated:
            raise ConfigError(
                f"{place}: the episode is over after {n + 1} actions, and an ended one "
                "has no menu. Give fewer actions."
            )
    return world


def _policy(cfg: Any) -> LLMPolicy:
    from twosome.api import build_policy, load

    if cfg.checkpoint is None:
        return build_policy(cfg, adapter=False)
    return load(cfg.checkpoint, checkpoint=cfg.which, overrides=list(cfg.overrides))


def show(policy: LLMPolicy, world: World, cfg: Any) -> None:
    """Scene, table and, of a trained policy, what its adapter changed."""
    from rich.console import Console
    from rich.text import Text

    from twosome.comparison import compare_adapter, inspect_state

    d = inspect_state(policy, world.observation, world.info, normalization=cfg.normalization)
    if cfg.json:
        print(
            json.dumps(
                {"goal": world.observation["goal"], "scene": world.observation["scene"], **d.to_dict()}
            )
        )
        return
    # A file or pipe has no width of its own; a table cut at 80 columns would lose the numbers.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
    console.print(Text(f"Goal:  {world.observation['goal']}"))
    console.print(Text(f"Scene: {world.observation['scene']}"), end="\n\n")
    console.print(d)
    if cfg.checkpoint is not None and cfg.compare:
        console.print(Text("\nWhat the adapter changed", style="bold"))
        console.print(compare_adapter(policy, d.prompt, d.actions, normalization=cfg.normalization))


if __name__ == "__main__":
    main()
