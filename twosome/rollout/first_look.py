"""A first look at a world: one reset and one step, checked, so that its mistakes are told before a model is loaded.

Starts without torch. What it meets is the first episode of a run's first world, which the run then begins again.
"""

from __future__ import annotations

from typing import Any

import gymnasium

from twosome.config.schema import EnvSettings
from twosome.errors import ConfigError
from twosome.protocols import Demonstrates
from twosome.rollout.contract import (
    READ,
    Violation,
    check_events,
    check_info,
    check_menu,
    check_observation,
    check_step,
    close_env,
    told,
)
from twosome.rollout.situation import Place, cannot_go_back, environment_fault, episode_seed, restorable
from twosome.rollout.transcript import action_line, goal_lines, menu_lines, scene_lines
from twosome.rollout.workers import Workers


def first_look(
    settings: EnvSettings,
    seed: int,
    *,
    play: bool = True,
    demonstrates: bool = False,
    branches: bool = False,
    workers: Workers | None = None,
) -> None:
    """Make the world of a run, begin its first episode and take the first legal action there.

    `seed`: the run's; `play`: False only makes it, for a run that tolerates faults; `demonstrates`: whether it must
    show how it is played; `branches`: whether it must go back; `workers`: where it is made, if it is to have a process
    of its own. Raises `ConfigError` where it cannot be made or does not, `EnvironmentFault` for what breaks the
    contract.
    """
    env = (workers or Workers(0)).env(settings)
    actions: list[int] = []
    lines: list[str] = []
    try:
        if demonstrates and not isinstance(env.unwrapped, Demonstrates):
            raise ConfigError(
                f"method=clone learns from what an environment demonstrates, and {settings.id} demonstrates nothing: "
                "expected a method demonstrate(seed) that returns the index of the action to take, as that of env=desk."
            )
        if branches:
            must_branch(env, settings.id, can=restorable(env) is not None)
        if play:
            _play(env, settings.step_timeout, episode_seed(seed, 0, 0), actions, lines)
    except Violation as violation:
        place = Place(settings, seed, 0, 0, episode_seed(seed, 0, 0))
        raise environment_fault(str(violation), place, actions, lines) from violation
    finally:
        close_env(env, settings.step_timeout)


def must_branch(env: gymnasium.Env, name: str, *, can: bool) -> None:
    """Raise `ConfigError` for a world that cannot go back, in which no two branches can be played."""
    if not can:
        raise ConfigError(
            f"method=preference plays two branches from one snapshot. {cannot_go_back(env, name)} Or use "
            "method=twosome."
        )


def _play(env: gymnasium.Env, seconds: float | None, seed: int, actions: list[int], lines: list[str]) -> None:
    with told(" in reset", seconds=seconds):
        given = env.reset(seed=seed)
    observation, info = _pair(given, "reset", 2)
    with told(READ, seconds=seconds):
        shown, info = check_observation(observation), check_info(info)
        menu = check_menu(info)
    lines += [*goal_lines(shown["goal"], None), scene_lines(shown["scene"]), menu_lines(menu)]
    lines.append(action_line(menu.indices[0], menu.phrases[0]))
    actions.append(menu.indices[0])
    with told(seconds=seconds):
        answer = env.step(menu.indices[0])
    observation, reward, terminated, truncated, info = _pair(answer, "step", 5)
    with told(READ, seconds=seconds):
        result = check_step(reward, terminated, truncated, check_info(info))
        check_events(info)
        check_observation(observation)
        if not (result.terminated or result.truncated):
            check_menu(info)


def _pair(given: Any, name: str, size: int) -> Any:
    if not isinstance(given, (tuple, list)) or len(given) != size:
        what = f"{len(given)} values" if isinstance(given, (tuple, list)) else f"a {type(given).__name__}"
        expected = "observation, info" if size == 2 else "observation, reward, terminated, truncated, info"
        raise Violation(f"gave {what} from {name}, expected {size}: {expected}")
    return given
