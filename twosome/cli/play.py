"""A person plays an environment in the terminal: scene, picture, numbered menu, reward, undo, a transcript.

Knows no model, and starts without torch. Where the input is not a terminal, the answers are read from it line
by line, so that a game can be piped in.
"""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import gymnasium
from rich.text import Text

from twosome import files
from twosome.cli import command
from twosome.config.agent import world_title
from twosome.config.names import near
from twosome.config.schema import conf_dir
from twosome.errors import ConfigError, TwosomeError, brief
from twosome.rollout.contract import Violation, told
from twosome.rollout.session import Session, counted, make_drawing_env, replay
from twosome.rollout.situation import cannot_go_back
from twosome.terminal import Console, printable, say

if TYPE_CHECKING:
    from twosome.agents.llm_policy import LLMPolicy
    from twosome.config.schema import PlaySettings
    from twosome.inspection.plan import Plan

USAGE = """Play an environment in the terminal.

  twosome-play env=NAME [seed=0] [transcript=PATH]
  twosome-play env=own env.id=MODULE:ID ['env.kwargs={name: value}']
  twosome-play env=NAME hint=search [checkpoint=RUN] [search.simulations=32]     h asks what a tree search would do
  twosome-play env=NAME checkpoint=RUN [memory=PATH]      every action with the probability that the policy gives it
  twosome-play replay=PATH     play a transcript again and say where the environment answers otherwise; where it needs
                               a module of others: twosome-play replay=PATH env=own env.id=MODULE:ID
"""
KEYS = "a number or the words of an action; u undo, r restart, h hint (with hint=search), q quit, ? help"
HINT_SIMULATIONS = 32  # of a hint, where search.simulations is not given


Hint = Callable[[gymnasium.Env], "Plan"]
Thought = Callable[[Session], list[float]]
"""What a policy would do: the probability of every action of the menu, in its order."""


class Table:
    """Where the game is shown and the answers come from."""

    def __init__(self, session: Session, hint: Hint | None = None, thought: Thought | None = None):
        self.session, self.hint, self.thought = session, hint, thought
        self.out, self.has_pictures = Console(soft_wrap=not sys.stdout.isatty()), True

    def play(self) -> None:
        """Until the person quits or the input ends."""
        self._opening()
        while True:
            self._show()
            answer = self._ask()
            while answer is not None and answer not in ("q", "quit") and not self._obey(answer):
                answer = self._ask()
            if answer in (None, "q", "quit"):
                return

    def _obey(self, answer: str) -> bool:
        """Do what the answer says. Returns whether there is anything new to show."""
        session = self.session
        if answer in ("?", "help"):
            self._help()
        elif answer in ("r", "restart"):
            session.restart()
            self._opening()
            return True
        elif answer in ("u", "undo"):
            if not session.can_undo:
                why = cannot_go_back(session.env, session.settings.id)
                self.out.print(f"{why} r starts the episode again.", style="yellow")
            elif not session.undo():
                self.out.print("There is nothing to undo.", style="yellow")
            else:
                return True
        elif answer in ("h", "hint") and self.hint is not None and not session.over:
            self._show_hint(self.hint)
        elif session.over:
            self.out.print("The episode is over: u undo, r restart, q quit.", style="yellow")
        else:
            action = choose(answer, session.menu)
            if isinstance(action, str):
                self.out.print(action, style="yellow")
            else:
                session.take(action)
                turn = session.turns[-1]
                took = counted(turn.duration, "primitive step")
                self.out.print(f"→ {turn.menu[action]}: reward {turn.reward:+.4g}, {took}", style="bold")
                return True
        return False

    def _show_hint(self, hint: Hint) -> None:
        """A fault inside the search is told, and the game goes on: the world is where it was."""
        try:
            self.out.print(hint(self.session.env))
        except TwosomeError as error:
            self.out.print(f"No hint: {error}", style="yellow")

    def _opening(self) -> None:
        self.out.rule(world_title(self.session.settings))
        self.out.print(self.session.goal, style="bold")

    def _show(self) -> None:
        session, out = self.session, self.out
        out.print()
        if session.turns and session.goal != session.turns[-1].goal:
            out.print(session.goal, style="bold")
        if picture := self._picture():
            out.print(Text.from_ansi(picture, style="cyan"), no_wrap=True, crop=True)
        out.print(session.scene)
        if session.over:
            out.rule()
            out.print(session.ending().capitalize() + ".", style="bold green" if session.success else "bold yellow")
            return
        shares = [""] * len(session.menu) if self.thought is None else _shares(self.thought(session))
        width = max(map(len, session.menu.values()))
        for (index, phrase), share in zip(session.menu.items(), shares, strict=True):
            out.print(f"  {index:2d}  {phrase:<{width}}  {share}".rstrip())
        out.print(f"return so far {session.total:.4f}, {counted(session.steps, 'primitive step')}", style="dim")

    def _picture(self) -> str:
        """The picture in characters; none any more where drawing one fails."""
        try:
            with told(" in render", seconds=self.session.settings.step_timeout):
                return picture_of(self.session.env, self.session.scene) if self.has_pictures else ""
        except Violation as violation:
            self.has_pictures = False
            self.out.print(f"No picture: the environment {violation}.", style="yellow")
            return ""

    def _ask(self) -> str | None:
        try:
            answer = self.out.input("> ")
        except (EOFError, KeyboardInterrupt):
            self.out.print()
            return None
        if not sys.stdin.isatty():
            self.out.print(answer)
        return answer.strip()

    def _help(self) -> None:
        self.out.print(f"Type {KEYS}.", style="yellow")
        self.out.print(f"Goal: {self.session.goal}", style="bold")


def choose(answer: str, menu: dict[int, str]) -> int | str:
    """The legal action that an answer means: its number, its words, or the only one whose words begin so.

    Otherwise a sentence that says what was expected.
    """
    said, answer = answer.casefold(), brief(answer, 60)
    if answer.isdecimal():
        numbers = ", ".join(map(str, menu))
        return int(answer) if int(answer) in menu else f"{answer} is not legal here. Legal: {numbers}."
    exact = [k for k, phrase in menu.items() if phrase.casefold() == said]
    begun = exact or [k for k, phrase in menu.items() if said and phrase.casefold().startswith(said)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        return f"{answer!r} could be {' or '.join(repr(menu[k]) for k in begun)}. Type more of it, or a number."
    return f"{answer!r} is no action here.{near(answer, menu.values())} Type {KEYS}."


def picture_of(env: gymnasium.Env, scene: str) -> str:
    """The picture in characters, without the scene and caption below it; empty where there is none."""
    if env.render_mode != "ansi":
        return ""
    return str(env.render() or "").partition(scene)[0].rstrip()


def job(cfg: PlaySettings) -> None:
    """One sitting."""
    if cfg.replay is not None:
        raise SystemExit(replay(Path(cfg.replay), cfg.env))
    keep = None if cfg.transcript is None else files.user_path(cfg.transcript, "transcript")
    if keep is not None and (keep.is_dir() or not keep.parent.is_dir()):
        raise ConfigError(f"transcript={cfg.transcript} cannot be written: expected a file in a folder that exists.")
    if keep is not None and os.path.lexists(keep):
        raise ConfigError(f"transcript={cfg.transcript} exists, and nothing is written over it. Choose another name.")
    session = Session(make_drawing_env(cfg.env), cfg.env, cfg.seed)
    try:
        thought = _thought(cfg) if (cfg.checkpoint or cfg.memory_from) and not cfg.hint else None
        Table(session, _hint(cfg) if cfg.hint else None, thought).play()
    except BaseException:  # of whatever kind: nothing that was played is lost
        if session.turns or session.has_failed:
            _keep(session, keep or _default_place(session))
        raise
    finally:
        session.close()
    print(printable(session.ending().capitalize() + "."))
    if keep is not None:
        _keep(session, keep)


def _keep(session: Session, path: Path) -> None:
    """Write the transcript and say where it is; show it where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(path, session.transcript())
    except (TwosomeError, OSError) as error:
        say(f"{path} cannot be written: {brief(error)}")
        print(printable(session.transcript()))
    else:
        print(printable(f"Transcript: {path}"))


def _default_place(session: Session) -> Path:
    """Of the transcript of a game that was broken off, where no other was asked for."""
    name = re.sub(r"[^\w-]", "-", session.settings.id.split("/")[-1].split(":")[-1])[:40]
    return Path(f"outputs/play/{name}-seed{session.seed}-{datetime.now():%Y-%m-%d_%H-%M-%S}.txt").absolute()


def _shares(probabilities: list[float]) -> list[str]:
    from twosome.inspection.views import bar, percent

    return [f"{percent(p):>7}  {bar(p, 10)}" for p in probabilities]


def _thought(cfg: PlaySettings) -> Thought:
    """What the policy of a run or checkpoint would do; the model is loaded here and not before."""
    from twosome.types import Menu

    policy = _load(cfg)

    def thought(session: Session) -> list[float]:
        shown = {"scene": session.scene, "goal": session.goal}
        menu = policy.shortlist(shown, Menu(tuple(session.menu.values()), tuple(session.menu)))
        probs = policy.log_probs([policy.decide(shown, menu)])[0].exp().tolist()
        known = dict(zip(menu.indices, probs, strict=True))
        return [known.get(index, 0.0) for index in session.menu]

    return thought


def _load(cfg: PlaySettings) -> LLMPolicy:
    """The policy of a checkpoint, of a run that of its best one, as evaluation and inspection take it.

    Without a checkpoint `tiny`. What advises it is told in a line.
    """
    from twosome.systems.checkpoints import choose_checkpoint
    from twosome.systems.load import advise, find, load
    from twosome.systems.remembered import advisor_of, find_memory

    source = cfg.checkpoint or "tiny"
    which, said = choose_checkpoint(source, "best")
    if said:
        print(printable(said))
    given = None if cfg.memory_from is None else find_memory(cfg.memory_from, which="best", overrides=cfg.overrides)
    found = find(source, checkpoint=which, overrides=cfg.overrides)
    if memory := advisor_of(found.settings, found.folder, given, cfg.overrides, source):
        print(printable(f"Memory: {memory}. {memory.said}".strip()))
    policy = load(source, checkpoint=which, overrides=cfg.overrides)
    if given is not None:
        advise(policy, given)
    return policy


def _hint(cfg: PlaySettings) -> Hint:
    """What a search with the policy of `cfg.checkpoint` would do; the model is loaded here and not before."""
    from twosome.agents.planning import Search

    settings = dataclasses.asdict(cfg.search) | {"simulations": cfg.search.simulations or HINT_SIMULATIONS}
    search = Search(_load(cfg), seed=cfg.seed, **settings)
    return lambda env: search.plan(env, gamma=cfg.env.gamma)


def main(argv: list[str] | None = None) -> None:
    """`twosome-play env=tomato_salad [seed=0] [transcript=PATH]`, or `twosome-play replay=PATH`."""
    argv = sys.argv[1:] if argv is None else argv
    if "-h" in argv or "--help" in argv:
        names = ", ".join(sorted(path.stem for path in (conf_dir() / "env").glob("*.yaml")))
        print(f"{USAGE}\nEnvironments: {names}.\nIn the game: {KEYS}.")
        return
    command.run("play", job, argv)


if __name__ == "__main__":
    main()
