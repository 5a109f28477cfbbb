"""One episode of an environment, as a person or a transcript plays it: what was done, and the way back.

Knows environments only through their contract (a text observation, a menu in `info`); no model, no terminal.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from twosome.types import ConfigError


class Turn(NamedTuple):
    """One action as it was played.

    `reward`: discounted over the `duration` primitive steps that it took; `total`: the return so far.
    """

    scene: str
    menu: dict[int, str]
    action: int
    reward: float
    duration: int
    total: float


class Session:
    """An episode that can be taken back, and the record of how it went.

    Args:
        env: an environment that meets the contract.
        settings: its entry of `conf/env` as a plain dict: `id`, `kwargs`, `gamma`, `optimum`.
        seed: of the episode.
    """

    def __init__(self, env: Any, settings: dict[str, Any], seed: int):
        self.env, self.settings, self.seed = env, settings, seed
        self.can_undo = hasattr(env.unwrapped, "snapshot") and hasattr(env.unwrapped, "restore")
        self.restart()

    def restart(self) -> None:
        """Begin the same episode again."""
        self.turns: list[Turn] = []
        self._snapshots: list[Any] = []
        self.terminated = self.truncated = False
        self._see(*self.env.reset(seed=self.seed))

    def take(self, action: int) -> None:
        """Take an action of the menu."""
        if self.can_undo:
            self._snapshots.append(self.env.unwrapped.snapshot())
        before, menu = self.scene, self.menu
        observation, reward, self.terminated, self.truncated, info = self.env.step(action)
        duration = int(info.get("duration", 1))
        total = self.total + self.settings["gamma"] ** self.steps * float(reward)
        self.turns.append(Turn(before, menu, action, float(reward), duration, total))
        self._see(observation, info)

    def undo(self) -> bool:
        """Take the last action back; False where there is none."""
        if not self._snapshots:
            return False
        self.turns.pop()
        self.terminated = self.truncated = False
        self._see(*self.env.unwrapped.restore(self._snapshots.pop()))
        return True

    @property
    def over(self) -> bool:
        return self.terminated or self.truncated

    @property
    def total(self) -> float:
        """The discounted return so far."""
        return self.turns[-1].total if self.turns else 0.0

    @property
    def steps(self) -> int:
        """Primitive steps so far."""
        return sum(turn.duration for turn in self.turns)

    def ending(self) -> str:
        """How the episode stands, in one line."""
        how = "stopped"
        if self.over:
            how = "goal reached" if self.success else "time is up" if self.truncated else "failed"
        best = self.settings["optimum"]
        ceiling = "" if best is None else f" of at most {best:.6f}"
        lengths = f"{counted(len(self.turns), 'action')}, {counted(self.steps, 'primitive step')}"
        return f"{how}: return {self.total:.6f}{ceiling}, {lengths}"

    def transcript(self) -> str:
        """The episode as plain text that `replay` reads."""
        lines = [f"env: {json.dumps(self.settings)}", f"seed: {self.seed}", f"goal: {_indented(self.goal)}"]
        for turn in self.turns:
            menu = "\n".join(f"  {index:2d} {phrase}" for index, phrase in turn.menu.items())
            lines += ["", f"scene: {_indented(turn.scene)}", menu]
            lines.append(f"> {turn.action} {turn.menu[turn.action]}")
            lines.append(f"reward {turn.reward:.6g}, duration {turn.duration}, return {turn.total:.6g}")
        return "\n".join([*lines, "", f"scene: {_indented(self.scene)}", self.ending(), ""])

    def _see(self, observation: dict[str, Any], info: dict[str, Any]) -> None:
        try:
            self.scene, self.goal = observation["scene"], observation["goal"]
            actions, is_legal = info["actions"], info["action_mask"]
        except (KeyError, TypeError, IndexError):
            raise ConfigError(
                f"{self.settings['id']} does not speak: expected an observation with 'scene' and 'goal' "
                "and an info with 'actions' and 'action_mask'. "
                "twosome_envs.wrappers.menu.MenuWrapper gives it words."
            ) from None
        self.success = bool(info.get("success", False))
        self.menu = {k: phrase for k, phrase in enumerate(actions) if is_legal[k]}


def make_env(settings: dict[str, Any]) -> Any:
    """The environment of an entry of `conf/env`, drawing in characters where it can. Raises `ConfigError`."""
    import gymnasium

    if not settings["id"]:
        raise ConfigError(
            "env.id is empty: expected a gymnasium id, e.g. env=own env.id=my_module:MyWorld-v0."
        )
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # so that a module beside the person is found, as with `python -m`

    def make(**more: Any) -> Any:
        return gymnasium.make(settings["id"], disable_env_checker=True, **{**settings["kwargs"], **more})

    try:
        env = make()
        if env.render_mode is None and "ansi" in env.unwrapped.metadata.get("render_modes", ()):
            env.close()
            try:
                env = make(render_mode="ansi")
            except TypeError:  # it draws, but its constructor does not take the mode
                env = make()
        return env
    except ImportError as error:
        raise ConfigError(f"env.id={settings['id']!r} cannot be imported: {error}") from error
    except (gymnasium.error.Error, TypeError, ValueError, KeyError) as error:
        raise ConfigError(
            f"env.id={settings['id']!r} with env.kwargs={settings['kwargs']}: {error}"
        ) from error


def replay(path: Path) -> int:
    """Play a transcript again. Returns 0 where the environment answers exactly as it did, 1 where not."""
    try:
        told = path.read_text(encoding="utf-8")
        head = re.match(r"env: (\{.*\})\nseed: (\d+)\n", told)
        settings = json.loads(head[1]) if head else {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"replay={path} cannot be read: {error}") from error
    if head is None or not {"id", "kwargs", "gamma", "optimum"} <= set(settings):
        raise ConfigError(
            f"replay={path} is no transcript: its first lines must be 'env: {{...}}' and 'seed: ...'."
        )
    session = Session(make_env(settings), settings, int(head[2]))
    for action in map(int, re.findall(r"^> (\d+) ", told, flags=re.MULTILINE)):
        if session.over or action not in session.menu:
            break
        session.take(action)
    session.env.close()
    again = session.transcript()
    if again == told:
        print(f"The same again. {session.ending().capitalize()}.")
        return 0
    difference = difflib.unified_diff(
        told.splitlines(), again.splitlines(), str(path), "now", lineterm="", n=2
    )
    print("\n".join([f"{path} does not play as it did:", *difference][:40]))
    return 1


def counted(n: int, noun: str) -> str:
    """`1 action`, `2 actions`."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")
