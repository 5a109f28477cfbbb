"""ScienceWorld (arXiv 2203.07540): thirty experiments of elementary school, in a house of ten places, as text.

Its legal actions are the menu: from a hundred to some three thousand phrases. The simulator is a Java program, one
process for each environment, told to be deterministic: equal variations and equal actions make equal episodes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box

from ..arguments import missing, one_of, unknown
from ..base import Menu
from .third_party import N_WORDS, Raw, StepResult, ThirdPartyEnv, hashed_words

SPLITS = ("train", "dev", "test")
SIMPLIFICATIONS = (
    "easy",
    "teleportAction",
    "selfWateringFlowerPots",
    "openContainers",
    "openDoors",
    "noElectricalAction",
)
INFORMATION = ("inventory", "look around", "task")  # the scene and the goal already say what they tell
EVERYWHERE = ("the agent", "air")
NEVER = "reset task"  # undoes the episode
# Java's hash of an object is a random number, by which it orders doors and draws; one for all makes runs repeatable.
JAVA = "-XX:+UnlockExperimentalVMOptions -XX:hashCode=2 -XX:+UseSerialGC -Xmx1g"


class ScienceWorld(ThirdPartyEnv):
    """A task of ScienceWorld, or several, of which every episode plays one variation.

    Scene: what is around, what is carried, what the last action brought. Goal: the task's own text. Reward: what the
    score, of 100, changed by, as a share, so that a solved task returns 1 without discount; what makes it impossible
    brings the score to -100 and ends it. Success is a score of 100; the episode is truncated after `max_steps` actions.
    A masked slot changes nothing and takes a step. `vector`: float32 [256], hashed counts of the words of the scene.

    Args:
        task: name of a task, or several.
        variations: a split, `train`, `dev` or `test`, or numbers of variations.
        simplifications: `easy`, which is all of them, or some of `SIMPLIFICATIONS`; without any, menus are largest.
        information: keep `inventory`, `look around` and `task` in the menu; scene and goal already say what they tell.
        max_commands: size of the action space; an action more than that ends the run with an error.
        max_steps: actions before an episode is truncated.
        max_words: longest scene, for models of a short context; of a longer one the end of what is around is cut. None:
            all of it.
        gamma: discount per action, for `info["episode"]["r"]`.
        render_mode: None, there is no picture.

    Raises:
        ImportError: scienceworld is not installed.
        ValueError: an unknown task, split or simplification; a variation that the task lacks; a number out of range.
        RuntimeError: there is no Java; (from `reset`, `step`) Java has ended, or more actions than `max_commands`.
    """

    def __init__(
        self,
        task: str | Sequence[str] = "find-plant",
        *,
        variations: str | Sequence[int] = "train",
        simplifications: str | Sequence[str] = "easy",
        information: bool = False,
        max_commands: int = 4096,
        max_steps: int = 100,
        max_words: int | None = None,
        gamma: float = 0.99,
        render_mode: str | None = None,
    ):
        sizes = {"max_commands": (max_commands, 100_000), "max_steps": (max_steps, 1_000_000)}
        if max_words is not None:
            sizes["max_words"] = (max_words, 1_000_000)
        for name, (value, most) in sizes.items():
            if type(value) is not int or not 1 <= value <= most:
                raise ValueError(f"{name} must be an integer from 1 to {most}, got {value!r}.")
        self._simplifications = _names("simplifications", simplifications, SIMPLIFICATIONS)
        vector = Box(0.0, 4000.0, (N_WORDS,), np.float32)
        super().__init__(max_commands, vector, gamma=gamma, max_text=20_000, render_mode=render_mode)
        self._keep_information = information
        self.max_steps, self.max_words = max_steps, max_words
        tasks = _names("task", task, known_tasks(), least=1)
        if isinstance(variations, str):
            one_of("variations", variations, SPLITS)
        elif not isinstance(variations, Sequence) or not variations:
            raise ValueError(f"variations must be {', '.join(SPLITS)} or a list of numbers, got {variations!r}.")
        self._game = _started()
        self._end = weakref.finalize(self, _ended, self._game)  # also when nobody closes it, and when the program ends
        try:
            self._episodes = [(name, number) for name in tasks for number in self._variations(name, variations)]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the Java process. May be called twice."""
        self._end()

    def _begin(self, seed: int, options: dict[str, Any]) -> Raw:
        with self._alive():
            self._load(*self._episodes[seed % len(self._episodes)])
            _, info = self._game.reset()
        self._taken = 0
        return {**info, "score": 0, "feedback": ""}  # what the start itself scores comes with the first action

    def _advance(self, action: int, is_legal: bool) -> StepResult:
        before, self._taken = self._raw, self._taken + 1
        if is_legal:
            with self._alive():
                feedback, _, over, info = self._game.step(self._commands(before)[action])
            raw = {**info, "feedback": feedback}
        else:
            raw, over = {**before, "feedback": "Nothing happens."}, False
        reward = (raw["score"] - before["score"]) / 100
        return StepResult(raw, reward, over, not over and self._taken >= self.max_steps, raw["score"] >= 100)

    def _scene(self, raw: Raw) -> str:
        around, carried, feedback = plain(raw["look"]), plain(raw["inv"]), plain(raw["feedback"])
        said = f"Just now: {feedback}" if feedback and feedback not in around else ""
        words, room = around.split(), self.max_words and max(0, self.max_words - len(f"{carried} {said}".split()))
        if room is not None and len(words) > room:
            around = f"{' '.join(words[:room])} ..."
        return " ".join(text for text in (around, carried, said) if text)

    def _goal(self, raw: Raw) -> str:
        return plain(raw["taskDesc"].removeprefix("Task Description:"))

    def _menu(self, raw: Raw) -> Menu:
        commands = self._commands(raw)
        if len(commands) > self.n_actions:
            raise RuntimeError(f"{len(commands)} actions are legal here, but max_commands={self.n_actions}. Raise it.")
        unused = tuple(f"(unused {k})" for k in range(len(commands), self.n_actions))
        return Menu(commands + unused, (True,) * len(commands) + (False,) * len(unused))

    def _vector(self, raw: Raw) -> np.ndarray:
        return hashed_words(f"{raw['look']} {raw['inv']} {raw['feedback']}")

    def _commands(self, raw: Raw) -> tuple[str, ...]:
        """The legal actions in alphabetical order."""
        dropped = (NEVER,) if self._keep_information else (NEVER, *INFORMATION)
        return tuple(sorted(set(raw["valid"]).difference(dropped)))

    def _variations(self, task: str, wanted: str | Sequence[int]) -> list[int]:
        """The numbers of a task's variations that are wanted. Raises `ValueError`."""
        self._load(task, 0)
        splits = (self._game.get_variations_train, self._game.get_variations_dev, self._game.get_variations_test)
        if isinstance(wanted, str):
            return dict(zip(SPLITS, splits, strict=True))[wanted]()
        n = self._game.get_max_variations(task)
        for number in wanted:
            if type(number) is not int or not 0 <= number < n:
                raise ValueError(f"{task!r} has variations 0 to {n - 1}, got {number!r}.")
        return list(wanted)

    def _load(self, task: str, variation: int) -> None:
        self._game.load(task, variation, ",".join(self._simplifications))

    @contextlib.contextmanager
    def _alive(self) -> Iterator[None]:
        """Say what has happened when Java does not answer any more."""
        from py4j.protocol import Py4JNetworkError

        try:
            yield
        except (Py4JNetworkError, OSError) as error:
            self.close()
            ended = f"ScienceWorld's Java process has ended ({error}). Make the environment anew."
            raise RuntimeError(ended) from error


def plain(text: str) -> str:
    """The simulator's text as one paragraph: the things of a list, which stand one a line, between semicolons.

    What stands in every list, the agent and the air, is left out.
    """
    joined = ""
    for line in text.splitlines():
        words = line.strip().rstrip(".").replace("a substance called ", "").replace("(that is ", "(")
        if words and words not in EVERYWHERE:
            is_next = line.startswith("\t") and not joined.endswith(":")
            joined += ("; " if is_next else " " if joined.endswith(":") else ". " if joined else "") + words
    return f"{joined}." if joined else ""


def _names(what: str, wanted: str | Sequence[str], known: Sequence[str], least: int = 0) -> tuple[str, ...]:
    """One name or several, all of them known. Raises `ValueError`."""
    if not isinstance(wanted, Sequence):
        raise ValueError(f"{what} must be a name or a list of names, got {wanted!r}. Known: {', '.join(known)}.")
    names = (wanted,) * bool(wanted) if isinstance(wanted, str) else tuple(wanted)
    for name in names:
        if name not in known:
            raise ValueError(unknown(what, name, known))
    if len(names) < least:
        raise ValueError(f"{what} is empty. Known: {', '.join(known)}.")
    return names


def known_tasks() -> tuple[str, ...]:
    """The names of the tasks. Raises `ImportError`."""
    try:
        from scienceworld.constants import ID2TASK
    except ImportError as error:
        raise ImportError(missing("scienceworld", "scienceworld")) from error
    return tuple(ID2TASK.values())


def _started() -> Any:
    """A simulator of its own. Raises `RuntimeError`."""
    from scienceworld import ScienceWorldEnv

    class Simulator(ScienceWorldEnv):
        def get_valid_action_object_combinations(self) -> list[str]:
            """All of them in one text; the package fetches each by itself, which takes three times as long."""
            return [found["action"] for found in self.get_valid_action_object_combinations_with_templates()]

        def __del__(self) -> None:
            """Nothing: `_ended` has done it, and what is gone cannot be closed again."""

    if shutil.which("java") is None:
        raise RuntimeError(
            "ScienceWorld needs a Java runtime, and there is no `java` on the PATH. "
            "Install one, on Debian: apt install openjdk-17-jre-headless"
        )
    before = os.environ.get("JAVA_TOOL_OPTIONS")
    os.environ["JAVA_TOOL_OPTIONS"] = f"{before or ''} {JAVA}".strip()
    try:
        return Simulator("", envStepLimit=2**30)
    finally:
        del os.environ["JAVA_TOOL_OPTIONS"]
        if before is not None:
            os.environ["JAVA_TOOL_OPTIONS"] = before


def _ended(game: Any) -> None:
    """End a simulator's process, whatever state it is in."""
    process = game._gateway.java_process
    with contextlib.suppress(Exception):  # of a process that is gone there is nothing to be told
        game.close()
    game._gateway._gateway_client.is_connected = False  # else what is garbage would still be reported to Java
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        process.communicate(timeout=5)
    process.kill()
    process.wait()
    game._obj_tree_tempdir.cleanup()
