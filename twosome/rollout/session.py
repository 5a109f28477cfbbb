"""One episode of an environment as a person plays it: what was done, and the way back.

Knows environments only through their contract (a text observation, a menu in `info`); no model, no terminal.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium

from twosome.config.schema import EnvSettings
from twosome.config.trust import is_signed, must_be_named
from twosome.errors import ConfigError
from twosome.protocols import Restorable
from twosome.rollout import transcript
from twosome.rollout.contract import Violation, check_info, check_menu, check_observation, make_env
from twosome.terminal import printable
from twosome.types import Menu


class Turn(NamedTuple):
    """One action as it was played.

    `reward`: discounted over the `duration` primitive steps that it took; `total`: the return so far.
    """

    goal: str
    scene: str
    menu: dict[int, str]
    action: int
    reward: float
    duration: int
    total: float


class Session:
    """An episode that can be taken back, and the record of how it went.

    `env`: an environment that meets the contract; `settings`: its entry of `conf/env`; `seed`: of the episode.
    """

    def __init__(self, env: gymnasium.Env, settings: EnvSettings, seed: int):
        self.env, self.settings, self.seed = env, settings, seed
        self.can_undo = isinstance(env.unwrapped, Restorable)
        self.restart()

    def restart(self) -> None:
        """Begin the same episode again."""
        self.turns: list[Turn] = []
        self._snapshots: list[Any] = []
        self.terminated = self.truncated = False
        self._see(*self.env.reset(seed=self.seed))

    def take(self, action: int) -> None:
        """Take an action of the menu."""
        inner: Any = self.env.unwrapped
        if self.can_undo:
            self._snapshots.append(inner.snapshot())
        goal, scene, menu = self.goal, self.scene, self.menu
        observation, reward, self.terminated, self.truncated, info = self.env.step(action)
        duration = int(info.get("duration", 1))
        total = self.total + self.settings.gamma**self.steps * float(reward)
        self.turns.append(Turn(goal, scene, menu, action, float(reward), duration, total))
        self._see(observation, info)

    def undo(self) -> bool:
        """Take the last action back; False where there is none."""
        if not self._snapshots:
            return False
        inner: Any = self.env.unwrapped
        self.turns.pop()
        self.terminated = self.truncated = False
        self._see(*inner.restore(self._snapshots.pop()))
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
        best = self.settings.optimum
        ceiling = "" if best is None else f" of at most {best:.6f}"
        lengths = f"{counted(len(self.turns), 'action')}, {counted(self.steps, 'primitive step')}"
        return f"{how}: return {self.total:.6f}{ceiling}, {lengths}"

    def transcript(self) -> str:
        """The episode as plain text that `replay` reads."""
        lines, told = transcript.head(self.settings, self.seed), None
        for turn in self.turns:
            lines += transcript.goal_lines(turn.goal, told)
            told = turn.goal
            lines += [
                transcript.scene_lines(turn.scene),
                transcript.menu_lines(Menu(tuple(turn.menu.values()), tuple(turn.menu))),
                transcript.action_line(turn.action, turn.menu[turn.action]),
                transcript.reward_line(turn.reward, turn.duration, turn.total),
            ]
        last = [*transcript.goal_lines(self.goal, told), transcript.scene_lines(self.scene), self.ending()]
        return transcript.joined([*lines, *last])

    def _see(self, observation: Any, info: Any) -> None:
        try:
            shown = check_observation(observation)
            menu = check_menu(check_info(info))
        except Violation as violation:
            raise ConfigError(f"{self.settings.id} {violation}.") from None
        self.scene, self.goal = shown["scene"], shown["goal"]
        self.success = bool(info.get("success", False))
        self.menu = dict(zip(menu.indices, menu.phrases, strict=True))


def make_drawing_env(settings: EnvSettings) -> gymnasium.Env:
    """The environment of an entry of `conf/env`, drawing in characters where it can. Raises `ConfigError`."""
    if not settings.id:
        raise ConfigError("env.id is empty: expected a gymnasium id, e.g. env=own env.id=my_module:MyWorld-v0.")
    env = make_env(settings)
    if env.render_mode is None and "ansi" in (env.unwrapped.metadata.get("render_modes") or ()):
        try:
            drawing = make_env(settings, render_mode="ansi")
        except ConfigError:  # it draws, but its constructor does not take the mode
            return env
        env.close()
        return drawing
    return env


def replay(path: Path, named: EnvSettings | None = None) -> int:
    """Play a transcript again. Returns 0 where the environment answers exactly as it did, 1 where not.

    `named`: an environment that the user names beside it; what a stranger's transcript imports must be there too.
    """
    try:
        text = path.read_bytes().decode("utf-8")  # line ends as they are: a scene may hold any
    except (OSError, ValueError) as error:
        raise ConfigError(f"replay={path} cannot be read: {error}") from error
    script = transcript.parse(text, f"replay={path}")
    if not is_signed(path, script.settings):
        said = [] if named is None else [f"env.id={named.id}", f"env.kwargs={named.kwargs}"]
        must_be_named(script.settings, said, f"The first line of {path}", "add env=own {0}")
    session = Session(make_drawing_env(script.settings), script.settings, script.seed)
    for action in script.actions:
        if session.over or action not in session.menu:
            break
        session.take(action)
    session.env.close()
    again = session.transcript()
    if again == text:
        print(printable(f"The same again. {session.ending().capitalize()}."))
        return 0
    difference = difflib.unified_diff(text.splitlines(), again.splitlines(), str(path), "now", lineterm="", n=2)
    print(printable("\n".join([f"{path} does not play as it did:", *difference][:40])))
    return 1


def counted(n: int, noun: str) -> str:
    """`1 action`, `2 actions`."""
    return f"{n} {noun}{'' if n == 1 else 's'}"
