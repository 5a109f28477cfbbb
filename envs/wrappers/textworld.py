"""Text games made offline by TextWorld's own generator; the admissible commands are the menu.

The menu varies in size, so the action space has room for every command of the game; the slots after the commands that
are admissible in a state are masked and named `(unused 7)`. A game is a pure function of its options, its seed and the
installed TextWorld; it is compiled once (about two seconds) and kept in a folder.
"""

from __future__ import annotations

import atexit
import functools
import os
import re
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box

from ..arguments import missing
from ..base import Menu
from .third_party import N_WORDS, Raw, StepResult, ThirdPartyEnv, hashed_words

LARGEST_STORY = 2**19  # bytes, of version 8
OPTIONS = {  # the largest value of each: beyond it the generator takes hours, or memory without end
    "quest_length": 100,
    "nb_rooms": 1000,
    "nb_objects": 1000,
    "games": 1000,
    "max_steps": 1_000_000,
    "seed": 2**31,
    "max_commands": 10_000,
}
INFORMATION = re.compile(r"(look|inventory|examine .*)$")


class TextWorld(ThirdPartyEnv):
    """A TextWorld game, or several of which every episode plays one.

    Scene: the room, the inventory, the game's feedback to the last command. Goal: the game's own instructions. Reward:
    the points a command scores; a quest is worth one point, given when it is complete. The episode terminates when the
    game is won or lost and is truncated after `max_steps` commands. A masked slot changes nothing and takes a step.
    `vector`: float32 [256], counts of the words in room and inventory, hashed by CRC-32.

    Args:
        quest_length: commands that the quest takes, at least 1.
        nb_rooms: number of rooms.
        nb_objects: number of objects besides those of the quest.
        seed: the seed of the game; equal options and seeds make equal games.
        games: number of games, of seeds `seed`, `seed + 1`, ...; `reset(seed=...)` selects one.
        information: keep `look`, `inventory` and `examine ...` in the menu; the scene already says what they tell.
        max_commands: size of the action space; default: the number of commands that the games know at all.
        max_steps: commands before an episode is truncated.
        gamma: discount per command, for `info["episode"]["r"]`.
        folder: where compiled games are kept; default: a temporary folder that is deleted with the process.
        render_mode: None, there is no picture.

    Raises:
        ImportError: textworld is not installed.
        ValueError: an option that is not an integer, below its smallest or above its largest value; a file in
            `folder` that is no story.
        RuntimeError (from `reset` and `step`): more admissible commands than `max_commands`.
    """

    def __init__(
        self,
        quest_length: int = 3,
        nb_rooms: int = 2,
        nb_objects: int = 5,
        seed: int = 0,
        *,
        games: int = 1,
        information: bool = False,
        max_commands: int | None = None,
        max_steps: int = 50,
        gamma: float = 0.99,
        folder: str | os.PathLike[str] | None = None,
        render_mode: str | None = None,
    ):
        try:
            import textworld
        except ImportError as error:
            raise ImportError(missing("textworld", "textworld")) from error
        options = (
            quest_length,
            nb_rooms,
            nb_objects,
            games,
            max_steps,
            seed,
            1 if max_commands is None else max_commands,
        )
        for (name, most), value in zip(OPTIONS.items(), options, strict=True):
            least = 0 if name == "seed" else 1
            if type(value) is not int or not least <= value <= most:
                got = repr(value) if type(value) is not int or value.bit_length() < 64 else "one far outside"
                raise ValueError(f"{name} must be an integer from {least} to {most}, got {got}.")
        home = Path(folder) if folder is not None else _temporary_folder()
        files = [make_game(home, quest_length, nb_rooms, nb_objects, seed + k) for k in range(games)]
        wanted = textworld.EnvInfos(
            feedback=True, description=True, inventory=True, objective=True, admissible_commands=True,
            possible_admissible_commands=True, score=True, won=True, lost=True,
        )  # fmt: skip
        with warnings.catch_warnings():
            # The interpreter cannot read scores and endings of a generated game; TextWorld tracks them itself.
            warnings.filterwarnings("ignore", "Game .* is not fully supported", UserWarning)
            self._games = [textworld.start(str(file), wanted) for file in files]
        for game in self._games:
            game.seed(seed)  # the interpreter's random numbers, which are otherwise seeded by the clock
        self._game = self._games[0]
        self._keep_information = information
        self.max_steps = max_steps
        if max_commands is None:
            known = [game.reset().possible_admissible_commands for game in self._games]
            max_commands = max(len(self._useful(commands)) for commands in known)
        vector = Box(0.0, 4000.0, (N_WORDS,), np.float32)
        super().__init__(max_commands, vector, gamma=gamma, max_text=4000, render_mode=render_mode)

    def close(self) -> None:
        """Close all games."""
        for game in self._games:
            game.close()

    def _begin(self, seed: int, options: dict[str, Any]) -> Raw:
        self._game = self._games[seed % len(self._games)]
        self._taken = 0
        state = self._game.reset()
        state["feedback"], state["score"] = "", 0
        return state

    def _advance(self, action: int, is_legal: bool) -> StepResult:
        before = self._raw
        self._taken += 1
        if is_legal:
            state, _, _ = self._game.step(self._commands(before)[action])
        else:
            state = before.copy()
            state["feedback"] = "Nothing happens."
        won, lost = bool(state.won), bool(state.lost)
        over = won or lost
        truncated = not over and self._taken >= self.max_steps
        return StepResult(state, float(state.score - before.score), over, truncated, won)

    def _scene(self, raw: Raw) -> str:
        room, inventory = plain(raw.description), plain(raw.inventory)
        feedback = plain(raw.feedback).removesuffix(room).strip()
        is_new = feedback and feedback not in f"{room} {inventory}"
        return " ".join(text for text in (room, inventory, f"Just now: {feedback}" if is_new else "") if text)

    def _goal(self, raw: Raw) -> str:
        return plain(raw.objective)

    def _menu(self, raw: Raw) -> Menu:
        commands = self._commands(raw)
        n = self.n_actions
        if len(commands) > n:
            raise RuntimeError(
                f"{len(commands)} commands are admissible here, but max_commands={n}. Leave max_commands out "
                f"to have room for every command of the game. Admissible: {', '.join(commands)}."
            )
        unused = tuple(f"(unused {k})" for k in range(len(commands), n))
        return Menu(commands + unused, (True,) * len(commands) + (False,) * len(unused))

    def _vector(self, raw: Raw) -> np.ndarray:
        return hashed_words(f"{raw.description} {raw.inventory}")

    def _commands(self, raw: Raw) -> tuple[str, ...]:
        """The admissible commands in TextWorld's order, which is alphabetical and without duplicates."""
        return self._useful(raw.admissible_commands)

    def _useful(self, commands: list[str]) -> tuple[str, ...]:
        useful = tuple(c for c in commands if self._keep_information or not INFORMATION.match(c))
        return useful or ("look",)


def plain(text: str) -> str:
    """The game's text as one paragraph: no prompt or status line, and the room's title as a sentence."""
    text = re.split(r"\n>", text)[0]
    text = re.sub(r"\*\*\* The End \*\*\*.*", "", text, flags=re.DOTALL)
    text = re.sub(r"-= (.*?) =-", lambda m: f"You are in the {m[1].lower()}.", text)
    return " ".join(text.split())


def make_game(folder: Path, quest_length: int, nb_rooms: int, nb_objects: int, seed: int) -> Path:
    """Generate and compile a game, unless `folder` has it already, and return the path of its `.z8` file.

    A game gets its final name only when it is complete, so several processes may share a folder.
    """
    import textworld
    from textworld.version import __version__

    name = f"textworld-{__version__}-quest{quest_length}-rooms{nb_rooms}-objects{nb_objects}-seed{seed}"
    game_dir = folder / name
    if not (game_dir / "game.z8").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        build_dir = Path(tempfile.mkdtemp(prefix=".making-", dir=folder))
        try:
            options = textworld.GameOptions()
            options.nb_rooms, options.nb_objects, options.quest_length = nb_rooms, nb_objects, quest_length
            options.seeds = seed
            options.path = str(build_dir / "game.z8")
            textworld.make(options)
            try:
                build_dir.rename(game_dir)
            except OSError:
                if not (game_dir / "game.z8").is_file():  # otherwise another process was faster
                    raise
        finally:
            shutil.rmtree(build_dir, ignore_errors=True)
    must_be_story(game_dir / "game.z8")
    return game_dir / "game.z8"


def must_be_story(path: Path) -> None:
    """Refuse what is no story file of version 8, whole and alone. Raises `ValueError`.

    An interpreter in C runs it: this sees that it is of the form, not that it means well.
    """
    is_alone = not any(place.is_symlink() for place in (path.parent, path, path.with_suffix(".json")))
    size = path.stat().st_size if is_alone else 0
    data = path.read_bytes() if 64 <= size <= LARGEST_STORY else b""
    length, checksum = (int.from_bytes(data[k : k + 2], "big") for k in (26, 28))  # The Z-Machine Standards, 11.1
    if data[:1] != b"\x08" or not 64 <= 8 * length <= size or sum(data[64 : 8 * length]) % 2**16 != checksum:
        raise ValueError(f"{path} is no whole story file of version 8. Remove its folder: it is then made anew.")


@functools.cache
def _temporary_folder() -> Path:
    folder = tempfile.mkdtemp(prefix="twosome-textworld-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
