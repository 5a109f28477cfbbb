"""The command `twosome-memory`: look at the memory of a run, take it along, add another one, forget some of it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from twosome import files
from twosome.cli import command
from twosome.config.names import near
from twosome.errors import ConfigError, brief
from twosome.terminal import Console, printable
from twosome.versions import packages

if TYPE_CHECKING:
    from rich.table import Table

    from twosome.memory.edit import Row
    from twosome.systems.remembered import Memory

USAGE = """Look at the memory of a run, take it along, add another one, forget some of it.

  twosome-memory RUN show [goal=TEXT] [scene=TEXT] [sort=visits|value|scene|recent] [limit=20|all] [json=true]
  twosome-memory RUN export [PATH]      to SQLite, or to JSON where PATH ends in .json; without it to RUN/memory.sqlite
  twosome-memory RUN import PATH [replace=true]       what another run, a checkpoint or an exported file has learnt,
                                                      into this one; or in its place
  twosome-memory RUN forget goal=TEXT scene=TEXT fewer_than=VISITS [yes=true]      the records for which all of it holds

RUN is a run folder, of which the newest checkpoint is taken (which=best: the best one), a checkpoint folder, or for
show and export an exported file. Texts are found anywhere in a goal or scene, in any letter case. What import and
forget change is kept as it was, in a file beside the checkpoints: import it with replace=true to have it back. What two
memories have learnt from the same episodes counts twice when they are put together, but for records that are the same.
"""
SORTS: dict[str, Callable[[Row], Any]] = {
    "visits": lambda row: -row[2],
    "value": lambda row: -max((known[1] for known in row[3]), default=0.0),
    "scene": lambda row: row[1],
    "recent": lambda row: 0,  # as they stand, the last that was met first
}
LIMIT = 20  # records shown, where no other number is asked for
WIDTH = 110  # columns where the output has no width of its own
LONGEST_TEXT = 300  # characters of a scene or an action in the table
FILTERS = ("goal", "scene", "fewer_than")


class Asked(NamedTuple):
    """A command line, taken apart: the run, what is to be done, the path for that, and the options."""

    run: str
    path: str | None
    options: dict[str, str]


def main(argv: list[str] | None = None) -> None:
    """`twosome-memory RUN show|export|import|forget`."""
    arguments = sys.argv[1:] if argv is None else argv
    command.guarded(lambda: _run(arguments))


def _run(arguments: list[str]) -> None:
    if not arguments or {"-h", "--help"} & set(arguments):
        print(USAGE, end="")
        return
    if "--version" in arguments:
        print(", ".join(f"{name} {version}" for name, version in packages().items()))
        return
    verb, asked = parse(arguments)
    {"show": show, "export": export, "import": take_in, "forget": forget}[verb](asked)


OPTIONS = {  # of every verb, and how many paths it takes
    "show": (("which", "goal", "scene", "fewer_than", "sort", "limit", "json"), 0),
    "export": (("which",), 1),
    "import": (("which", "replace"), 1),
    "forget": (("which", *FILTERS, "yes"), 0),
}


def parse(arguments: list[str]) -> tuple[str, Asked]:
    """What is asked. Raises `ConfigError` with the remedy."""
    given = [a for a in arguments if re.match(r"[a-z_]+=", a)]
    words = [a for a in arguments if a not in given]
    if flag := next((word for word in words if word.startswith("-")), None):
        raise ConfigError(f"Unknown option {flag!r}. Options are written without dashes, as key=value; see --help.")
    verb = words[1] if len(words) > 1 else ""
    if verb not in OPTIONS:
        got = f"got {brief(verb, 40)!r}.{near(verb, OPTIONS)}" if verb else "got none."
        raise ConfigError(
            f"Expected twosome-memory RUN and one of {', '.join(OPTIONS)}, {got} See twosome-memory --help."
        )
    known, paths = OPTIONS[verb]
    if len(words) > 2 + paths or (verb == "import" and len(words) < 3):
        expected = f"twosome-memory RUN {verb}{' PATH' if paths else ''}"
        raise ConfigError(f"Expected {expected}, got {brief(' '.join(words))!r}. See twosome-memory --help.")
    options = dict(option.split("=", 1) for option in given)
    if unknown := next((name for name in options if name not in known), None):
        raise ConfigError(f"Unknown option {unknown!r} of {verb}.{near(unknown, known)} Known: {', '.join(known)}.")
    return verb, Asked(words[0], words[2] if len(words) > 2 else None, options)


def show(asked: Asked) -> None:
    """The records, by goal: how often they were met, and the best and the worst that was done there."""
    sort = asked.options.get("sort", "visits")
    if sort not in SORTS:
        raise ConfigError(f"sort={brief(sort, 40)!r} is unknown.{near(sort, SORTS)} Known: {', '.join(SORTS)}.")
    limit = None if asked.options.get("limit") == "all" else _number(asked, "limit", LIMIT)
    is_json = _flag(asked, "json")
    memory = _found(asked)
    rows = memory.records.state_dict()["records"]
    is_chosen = _filter(asked)
    chosen = sorted((row for row in reversed(rows) if is_chosen(row)), key=SORTS[sort])
    if is_json:
        print(json.dumps([_as_json(row) for row in chosen[:limit]]))
        return
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(f"{memory}", soft_wrap=True)
    goals = dict.fromkeys(row[0] for row in chosen[:limit])
    for goal in goals:
        console.print(table(goal, [row for row in chosen[:limit] if row[0] == goal]))
    if len(chosen) < len(rows):
        console.print(f"{len(chosen):,} of {len(rows):,} records match.")
    if limit is not None and len(chosen) > limit:
        console.print(f"{len(chosen) - limit:,} more are not shown: limit=all shows them.")


def table(goal: str, rows: list[Row]) -> Table:
    """A row per record of a goal: Q beside the action, in brackets how often that was taken.

    What all scenes begin with is told once.
    """
    from rich.table import Table
    from rich.text import Text

    scenes = [brief(row[1], LONGEST_TEXT) for row in rows]
    common = _common_beginning(scenes)
    title = f"Goal: {brief(goal, 200)}" + (f"\nScene: {common} ..." if common else "")
    drawn = Table(title=Text(title), title_justify="left", title_style="bold", show_lines=True)
    for name, justify in (("scene", "left"), ("visits", "right"), ("best action", "left"), ("worst action", "left")):
        drawn.add_column(name, justify=justify)  # type: ignore[arg-type]
    for scene, (_, _, visits, actions) in zip(scenes, rows, strict=True):
        order = sorted(actions, key=lambda known: (-known[1], known[0]))
        best, worst = (_cell(order[k]) if len(order) > n else "" for k, n in ((0, 0), (-1, 1)))
        drawn.add_row(*map(Text, (scene.removeprefix(common).strip(), f"{visits:,}", best, worst)))
    return drawn


def _cell(known: list[Any]) -> str:
    phrase, q, _, n = known
    return f"{brief(phrase, LONGEST_TEXT)} {q:.3f} ({n:,})"


def _common_beginning(texts: list[str]) -> str:
    """The sentences that all texts begin with; nothing of one text alone."""
    if len(set(texts)) < 2:
        return ""
    shared = texts[0]
    while not all(text.startswith(shared) for text in texts):
        shared = shared[:-1]
    return shared[: shared.rfind(". ") + 1]


def _as_json(row: Row) -> dict[str, Any]:
    goal, scene, visits, actions = row
    known = [{"action": phrase, "q": q, "u": u, "n": n} for phrase, q, u, n in actions]
    return {"goal": goal, "scene": scene, "visits": visits, "actions": known}


def export(asked: Asked) -> None:
    """A copy as a file of its own; nothing is written over."""
    from twosome.memory import store
    from twosome.systems.remembered import SUFFIXES, run_of

    memory = _found(asked)
    if asked.path is None:
        place = memory.path.parent if memory.checkpoint is None else run_of(memory.checkpoint)
        path = place / "memory.sqlite"
        if path == memory.path:
            raise ConfigError(f"{path} is the memory itself. Give the PATH of the copy.")
        if path.is_file():
            written = datetime.fromtimestamp(path.stat().st_mtime)
            files.keep(path, f"{path.stem}_{written:%Y-%m-%d_%H-%M-%S}")
    else:
        path = files.user_path(asked.path, "PATH")
        if path.suffix not in SUFFIXES:
            raise ConfigError(f"export {brief(asked.path)}: expected a file that ends in {' or '.join(SUFFIXES)}.")
        if path.exists() or path.is_symlink():
            raise ConfigError(f"{path} exists, and nothing is written over it. Choose another name.")
    files.must_be_writable(path.parent, path.name)
    store.write(path, memory.stored())
    print(printable(f"{len(memory.records):,} records: {path}"))


def take_in(asked: Asked) -> None:
    """The records of another memory, into this one or in its place."""
    from twosome.memory.edit import merged
    from twosome.systems.remembered import find_memory, held, other_discount, put_back

    with held(asked.run, "RUN"):
        mine, theirs = _found(asked), find_memory(str(asked.path), key="import")
        gamma = mine.about.get("gamma")
        if gamma and (said := other_discount(theirs, float(gamma))):
            print(printable(said))
        before, state = mine.records.state_dict(), theirs.records.state_dict()
        after = state if (is_instead := _flag(asked, "replace")) else merged(before, state)
        new = len(after["records"]) - len(before["records"])
        changed = sum(a not in before["records"] for a in after["records"][new:]) if new < len(after["records"]) else 0
        if after == before:
            print("It holds all of that already: nothing is changed.")
            return
        kept = put_back(mine, after)
    what = "in its place" if is_instead else f"taken in: {new:,} new, {changed:,} put together"
    _tell(mine, f"{len(state['records']):,} records {what}.", after, kept)


def forget(asked: Asked) -> None:
    """Some of the records, after a question."""
    from twosome.memory.edit import without
    from twosome.systems.remembered import held, put_back

    if not any(name in asked.options for name in FILTERS):
        raise ConfigError("forget what? Give goal=TEXT, scene=TEXT or fewer_than=VISITS; goal= alone is all there is.")
    is_sure = _flag(asked, "yes")
    is_chosen = _filter(asked)
    with held(asked.run, "RUN"):
        memory = _found(asked)
        before = memory.records.state_dict()
        after = without(before, is_chosen)
        n = len(before["records"]) - len(after["records"])
        if n == 0:
            print("No record matches: nothing is changed.")
            return
        if not is_sure and not _agrees(f"Forget {n:,} of {len(before['records']):,} records? [y/N] "):
            print("Nothing is changed.")
            return
        kept = put_back(memory, after)
    _tell(memory, f"{n:,} records are forgotten.", after, kept)


def _tell(memory: Memory, said: str, after: dict[str, Any], kept: Path) -> None:
    folder = memory.checkpoint
    assert folder is not None
    print(printable(f"{said} {folder.name} now holds {len(after['records']):,}. As it was: {kept}"))
    best = folder.parent.parent / "best.json"
    name = files.read_json(best, files.LARGEST_NOTE).get("checkpoint") if best.is_file() else folder.name
    if name != folder.name:
        print(printable(f"The best checkpoint is {name}: which=newest evaluates, inspects and plays this one."))


def _agrees(question: str) -> bool:
    try:
        return input(question).strip().casefold() in ("y", "yes")
    except EOFError:
        print()
        raise ConfigError("There is nobody to ask: give yes=true.") from None


def _found(asked: Asked) -> Memory:
    from twosome.systems.remembered import find_memory

    memory = find_memory(asked.run, which=asked.options.get("which", "newest"), key="RUN")
    if memory.said:
        print(printable(memory.said))
    return memory


def _filter(asked: Asked) -> Callable[[Row], bool]:
    from twosome.memory.edit import chosen

    fewer = _number(asked, "fewer_than", 0) if "fewer_than" in asked.options else None
    return chosen(asked.options.get("goal", ""), asked.options.get("scene", ""), fewer)


def _number(asked: Asked, name: str, default: int) -> int:
    text = asked.options.get(name, str(default))
    if not re.fullmatch(r"\d{1,9}", text):
        raise ConfigError(f"{name}={brief(text, 40)!r} cannot work: expected a whole number.")
    return int(text)


def _flag(asked: Asked, name: str) -> bool:
    text = asked.options.get(name, "false").casefold()
    if text not in ("true", "false"):
        raise ConfigError(f"{name}={brief(text, 40)!r} cannot work: expected true or false.")
    return text == "true"


if __name__ == "__main__":
    main()
