"""An agent around the chosen world: `agent=advised` becomes part of `env`, so that one world is one `EnvSettings`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from twosome.config.constraints import check_fields
from twosome.config.names import key_of
from twosome.config.schema import AgentSettings, EnvSettings, conf_dir
from twosome.errors import ConfigError


def around(env: EnvSettings, agent: AgentSettings) -> EnvSettings:
    """The settings of the agent's environment with a world inside, whose discount, optimum and time limit it keeps.

    Raises `ConfigError` for a number of the agent's that cannot work.
    """
    check_fields(agent, "agent.")
    numbers = {key: value for key, value in dataclasses.asdict(agent).items() if key != "id"}
    kwargs = {"world": {"id": env.id, "kwargs": env.kwargs}, "gamma": env.gamma, **numbers}
    return dataclasses.replace(env, id=agent.id, kwargs=kwargs)


def world_title(env: EnvSettings) -> str:
    """What a world is called above a page: the end of its id; of one inside an agent both.

    >>> inside = {"world": {"id": "twosome_envs:twosome/TomatoSalad-v0", "kwargs": {}}}
    >>> world_title(EnvSettings(id="twosome_envs:twosome/Advised-v0", kwargs=inside, gamma=0.99, optimum=None))
    'TomatoSalad-v0, Advised-v0'
    """
    world = env.kwargs.get("world")
    inside = [world["id"]] if isinstance(world, Mapping) and isinstance(world.get("id"), str) else []
    return ", ".join(re.split("[/:]", name)[-1] for name in (*inside, env.id))


def is_of_agent(override: str) -> bool:
    """Whether an argument of a command line chooses an agent, or sets something of one."""
    return f"{key_of(override)}.".startswith("agent.")


def must_have_agent(overrides: Sequence[str]) -> None:
    """Refuse settings of an agent where none is chosen: by name, or by an experiment. Raises `ConfigError`."""
    settings = [o for o in overrides if key_of(o).startswith("agent.")]
    if settings and not _has_agent({key_of(o): o.partition("=")[2] for o in overrides}):
        raise ConfigError(f"{settings[0]} does nothing without an agent. Add agent=advised, or leave it out.")


def _has_agent(chosen: Mapping[str, str]) -> bool:
    if "agent" in chosen:
        return "none" not in [name.strip() for name in chosen["agent"].split(",")]
    for name in chosen.get("experiment", "null").split(","):
        file = conf_dir() / "experiment" / f"{name.strip()}.yaml"
        if name.strip() == "null" or (file.is_file() and "override /agent:" not in file.read_text(encoding="utf-8")):
            return False
    return True  # of one that lies elsewhere Hydra tells
