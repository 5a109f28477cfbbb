"""What a command line asks for by name and would do nothing, or not what it seems: refused, with the remedy."""

from __future__ import annotations

from collections.abc import Set as Keys

from twosome.config.names import REMEMBERING, key_of
from twosome.config.schema import EnvSettings, EvalSettings, InspectSettings, PlaySettings, TrainSettings
from twosome.errors import ConfigError


def check_asked(cfg: TrainSettings | EvalSettings | InspectSettings | PlaySettings, asked: Keys[str]) -> None:
    """Refuse what a command line asks for by name and would do nothing, or not what it seems. Raises `ConfigError`.

    `asked`: its keys.
    """
    _check_asked_search(cfg, asked)
    _check_asked_memory(cfg, asked)
    if isinstance(cfg, TrainSettings | PlaySettings):
        _check_asked_world(cfg.env, asked)
    if isinstance(cfg, TrainSettings):
        _check_asked_end(cfg, asked)


def _check_asked_search(cfg: TrainSettings | EvalSettings | InspectSettings | PlaySettings, asked: Keys[str]) -> None:
    of_search = [key for key in asked if key.startswith("search.") and key != "search.simulations"]
    if not of_search or cfg.search.simulations or getattr(cfg, "hint", None):
        return
    remedy = "search.simulations=32"
    if isinstance(cfg, TrainSettings):
        remedy = "method=search (or gumbel), which learns from a search"
    elif isinstance(cfg, PlaySettings):
        remedy = "hint=search"
    raise ConfigError(
        f"{of_search[0]} does nothing here, since search.simulations=0 is no search. Add {remedy}, or leave it out."
    )


def _check_asked_memory(cfg: TrainSettings | EvalSettings | InspectSettings | PlaySettings, asked: Keys[str]) -> None:
    """Settings of a memory where there is none. A checkpoint may bring one: that is seen when it is found."""
    if isinstance(cfg, TrainSettings):
        of_memory, remedy = sorted(key for key in asked if key.startswith("memory.")), "method=memory"
        has_memory = cfg.method in REMEMBERING
    else:
        of_memory, remedy = [key for o in cfg.overrides if (key := key_of(o)).startswith("memory.")], "memory=PATH"
        has_memory = bool(cfg.memory_from or cfg.checkpoint)
        if "memory.init" in of_memory:
            raise ConfigError("memory.init is what a run of training begins with. Here it is memory=PATH.")
    if of_memory and not has_memory:
        raise ConfigError(f"{of_memory[0]} does nothing here, since there is no memory. Add {remedy}, or leave it out.")


def _check_asked_world(env: EnvSettings, asked: Keys[str]) -> None:
    """`env.id` alone would keep the discount, the optimum and more of the world that is chosen by default."""
    if "env.id" in asked and asked.isdisjoint({"env", "experiment"}):
        raise ConfigError(
            f"env.id={env.id} without the choice of a world would keep what is known of the default one, its optimum "
            f"{env.optimum} too. Add env=own, for a world of your own."
        )


def _check_asked_end(cfg: TrainSettings, asked: Keys[str]) -> None:
    """The shipped `log.stop_at` ends a run whose optimum is known, and is silent about others."""
    if cfg.log.stop_at is None or "log.stop_at" not in asked:
        return
    if cfg.env.optimum is None:
        raise ConfigError(
            f"log.stop_at={cfg.log.stop_at} is a share of env.optimum, which is not known for {cfg.env.id}: "
            "give it, or log.stop_at=null."
        )
    if cfg.log.eval_interval == 0:
        raise ConfigError(
            f"log.stop_at={cfg.log.stop_at} looks at evaluations, but log.eval_interval=0 makes none. "
            "Set one of the two otherwise."
        )
