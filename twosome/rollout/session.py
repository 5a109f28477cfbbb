"""One episode of an environment as a person plays it: what was done, and the way back.

Knows environments only through their contract (a text observation, a menu in `info`); no model, no terminal.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium

from twosome import files
from twosome.config.schema import EnvSettings
from twosome.config.trust import is_signed, must_be_named
from twosome.errors import ConfigError, EnvironmentFault
from twosome.rollout import transcript
from twosome.rollout.contract import (
    READ,
    Violation,
    check_info,
    check_menu,
    check_observation,
    check_step,
    close_env,
    make_env,
    told,
)
from twosome.rollout.contract_end import check_success
from twosome.rollout.situation import restorable
from twosome.terminal import printable
from twosome.types import Menu

LARGEST = 2**26  # bytes of a transcript
SHOWN = 40  # lines of a difference


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
        self._inner = restorable(env)
        try:
            self.restart()
        except EnvironmentFault as fault:
            raise ConfigError(str(fault)) from fault

    @property
    def can_undo(self) -> bool:
        """Whether the environment goes back."""
        return self._inner is not None

    @property
    def has_failed(self) -> bool:
        """Whether the environment has broken the contract."""
        return bool(self._broken)

    def restart(self) -> None:
        """Begin the same episode again. Raises `EnvironmentFault`, as all that asks the environment."""
        self.turns: list[Turn] = []
        self._snapshots: list[Any] = []
        self._broken: list[str] = []
        self.terminated = self.truncated = False
        with self._blamed(" in reset"):
            observation, info = self.env.reset(seed=self.seed)
        self._see(observation, info)

    def take(self, action: int) -> None:
        """Take an action of the menu."""
        self._note_snapshot()
        goal, scene, menu = self.goal, self.scene, self.menu
        with self._blamed("", action):
            observation, reward, terminated, truncated, info = self.env.step(action)
            step = check_step(reward, terminated, truncated, check_info(info))
        self.terminated, self.truncated = step.terminated, step.truncated
        total = self.total + self.settings.gamma**self.steps * step.reward
        self.turns.append(Turn(goal, scene, menu, action, step.reward, step.duration, total))
        self._see(observation, info)

    def undo(self) -> bool:
        """Take the last action back; False where there is none."""
        if not self._snapshots or self._inner is None:
            return False
        with self._blamed(" in restore"):
            observation, info = self._inner.restore(self._snapshots.pop())
        self.turns.pop()
        self.terminated = self.truncated = False
        self._see(observation, info)
        return True

    def close(self) -> None:
        """Close the environment, whatever it raises."""
        close_env(self.env, self.settings.step_timeout)

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
        lines, goal = transcript.head(self.settings, self.seed), None
        for turn in self.turns:
            lines += transcript.goal_lines(turn.goal, goal)
            goal = turn.goal
            lines += [
                transcript.scene_lines(turn.scene),
                transcript.menu_lines(Menu(tuple(turn.menu.values()), tuple(turn.menu))),
                transcript.action_line(turn.action, turn.menu[turn.action]),
                transcript.reward_line(turn.reward, turn.duration, turn.total),
            ]
        last = [*transcript.goal_lines(self.goal, goal), transcript.scene_lines(self.scene)]
        return transcript.joined([*lines, *last, *(self._broken or [self.ending()])])

    def _see(self, observation: Any, info: Any) -> None:
        with self._blamed(READ):
            shown, info = check_observation(observation), check_info(info)
            menu, success = check_menu(info), check_success(info, self.terminated)
        self.scene, self.goal, self.success = shown["scene"], shown["goal"], success
        self.menu = dict(zip(menu.indices, menu.phrases, strict=True))

    def _note_snapshot(self) -> None:
        if self._inner is not None:
            try:
                with self._blamed(" in snapshot", others=NotImplementedError):
                    self._snapshots.append(self._inner.snapshot())
            except NotImplementedError:  # an agent around a world that has none
                self._inner = None

    @contextlib.contextmanager
    def _blamed(self, where: str, action: int | None = None, others: type[BaseException] = Violation) -> Iterator[None]:
        """Whatever the environment raises or breaks inside is its fault, which the transcript then tells."""
        try:
            with told(where, others, seconds=self.settings.step_timeout):
                yield
        except Violation as violation:
            fault = f"{self.settings.id} {violation}."
            if action is not None:
                lines = transcript.menu_lines(Menu(tuple(self.menu.values()), tuple(self.menu)))
                self._broken = [lines, transcript.action_line(action, self.menu[action])]
            self._broken += ["", f"fault: {transcript.one_line(fault)}"]
            raise EnvironmentFault(fault) from violation


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
        close_env(env, settings.step_timeout)
        return drawing
    return env


def replay(path: Path, named: EnvSettings | None = None) -> int:
    """Play a transcript again. Returns 0 where the environment answers exactly as it did, 1 where not.

    `named`: an environment that the user names beside it; what a stranger's transcript imports must be there too.
    """
    try:
        files.regular_size(path.resolve(), LARGEST)  # a pipe would keep one waiting
        text = path.read_bytes().decode("utf-8")  # line ends as they are: a scene may hold any
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"replay={path} cannot be read: {error}") from error
    script = transcript.parse(text, f"replay={path}")
    if not is_signed(path, script.settings):
        said = [] if named is None else [f"env.id={named.id}", f"env.kwargs={named.kwargs}"]
        must_be_named(script.settings, said, f"The first line of {path}", "add env=own {0}")
    settings = dataclasses.replace(script.settings, step_timeout=None if named is None else named.step_timeout)
    session = Session(make_drawing_env(settings), settings, script.seed)
    try:
        for action in script.actions:
            if session.over or action not in session.menu:
                break
            session.take(action)
    finally:
        session.close()
    again = session.transcript()
    if again == text:
        print(printable(f"The same again. {session.ending().capitalize()}."))
        return 0
    print(printable("\n".join([f"{path} does not play as it did:", *_difference(text, again)])))
    return 1


def _difference(before: str, now: str) -> list[str]:
    """The first lines that differ, each with a sign, and two that are equal before them."""
    old, new = before.splitlines(), now.splitlines()
    pairs = enumerate(zip(old, new, strict=False))
    first = next((k for k, (one, other) in pairs if one != other), min(len(old), len(new)))
    part = slice(max(0, first - 2), first + SHOWN)
    rows = difflib.unified_diff(old[part], new[part], lineterm="", n=2)
    return [f"line {first + 1}:", *(row for row in rows if row[:2] not in ("--", "++", "@@"))][:SHOWN]


def counted(n: int, noun: str) -> str:
    """`1 action`, `2 actions`."""
    return f"{n} {noun}{'' if n == 1 else 's'}"
