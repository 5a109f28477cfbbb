"""A memory as a file for people: SQLite, which any tool opens, or JSON, by its suffix.

    meta      name, value                 format: the number of this form; settings: its own, as JSON; whence it comes
    begins    goal, scene                 of every goal the scene in which it was first met
    records   id, goal, scene, visits     by `id` from the one that was longest not met to the last
    actions   record, phrase, q, u, n     `record`: the `id` of its record

It holds texts and numbers only. Vectors, by which records are compared, are left out: whoever takes the memory up
computes them anew, with the model of then.

A file may come from a stranger. It is opened read-only, with exactly these tables and nothing beside them, its size and
texts bounded, its numbers finite; what it says is data, and is written into a prompt by `twosome.advice` alone.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from twosome import files
from twosome.errors import INVALID_CONTENT, CheckpointError, brief, counter, number
from twosome.memory.records import LONGEST

FORMAT = 1
SCHEMA = {
    "meta": "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "begins": "CREATE TABLE begins (goal TEXT NOT NULL, scene TEXT NOT NULL)",
    "records": "CREATE TABLE records (id INTEGER PRIMARY KEY, goal TEXT NOT NULL, scene TEXT NOT NULL, "
    "visits INTEGER NOT NULL)",
    "actions": "CREATE TABLE actions (record INTEGER NOT NULL, phrase TEXT NOT NULL, q REAL NOT NULL, u REAL NOT NULL, "
    "n INTEGER NOT NULL)",
}
COLUMNS = {
    "meta": "name, value",
    "begins": "goal, scene",
    "records": "id, goal, scene, visits",
    "actions": "record, phrase, q, u, n",
}
MAGIC = b"SQLite format 3\0"
IN_WAL = b"\2\2"  # bytes 18 and 19 of a file that keeps its last changes in another one
LARGEST = files.LARGEST_JSON  # bytes
MOST_ROWS = {"meta": 100, "begins": 2**20, "records": 2**20, "actions": 2**24}
SECONDS = 1.0  # to wait for another program to let go of the file
REMEDY = "Export it again: twosome-memory RUN export PATH."


class Stored(NamedTuple):
    """What a file holds.

    `state`: as `Records.state_dict` has it, of which the shape is checked here and the rest by `load_state_dict`;
    `settings`: those of the memory, as they stood in a command line, unchecked; `about`: whence it is, for people.
    """

    state: dict[str, Any]
    settings: dict[str, Any]
    about: dict[str, str]


def write(path: Path, stored: Stored) -> None:
    """Write a file whole or not at all: JSON where its name ends so, else SQLite. Raises `CheckpointError`."""
    if path.suffix.lower() == ".json":
        head = {"format": FORMAT, "about": stored.about, "settings": stored.settings}
        files.write_json(path, head | stored.state)
        return
    try:
        data = _as_database(stored)
    except (sqlite3.Error, UnicodeError) as error:  # half a surrogate is no text of a database
        remedy = "Export it as JSON: a PATH that ends in .json."
        raise CheckpointError(f"{path} cannot be written as SQLite: {brief(error)}. {remedy}") from error
    files.write_bytes(path, data)


def _as_database(stored: Stored) -> bytes:
    meta = {"format": str(FORMAT), "settings": json.dumps(stored.settings), **stored.about}
    rows: dict[str, list[tuple[Any, ...]]] = {
        "meta": sorted(meta.items()),
        "begins": list(stored.state["begins"].items()),
        "records": [(k, *row[:3]) for k, row in enumerate(stored.state["records"], 1)],
        "actions": [(k, *known) for k, row in enumerate(stored.state["records"], 1) for known in row[3]],
    }
    with closing(sqlite3.connect(":memory:")) as database:
        for table, sql in SCHEMA.items():
            database.execute(sql)
            places = ", ".join("?" for _ in COLUMNS[table].split(","))
            database.executemany(f"INSERT INTO {table} ({COLUMNS[table]}) VALUES ({places})", rows[table])
        database.commit()
        return database.serialize()


def read(path: Path) -> Stored:
    """What `write` wrote, or the `memory.json` of a checkpoint. Raises `CheckpointError` for anything else."""
    files.regular_size(path, LARGEST)
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}.") from error
    if head.startswith(MAGIC):
        return _read_database(path, head)
    if head.lstrip().startswith(b"{"):
        return _read_json(path)
    raise CheckpointError(
        f"{path} holds no memory: expected SQLite or JSON, as `twosome-memory RUN export` writes them, found a file "
        f"that begins with {head[:12]!r}."
    )


def _read_json(path: Path) -> Stored:
    found = files.read_json(path, LARGEST)
    try:
        _must_be_format(path, found.get("format", FORMAT))  # that of a checkpoint has none
        return Stored(
            {"begins": dict(found["begins"]), "records": list(found["records"])},
            dict(found.get("settings", {})),
            {_text(name): _text(value) for name, value in found.get("about", {}).items()},
        )
    except INVALID_CONTENT as error:
        raise _no_memory(path, error) from error


def _read_database(path: Path, head: bytes) -> Stored:
    beside = [p.name for p in (path.with_name(f"{path.name}-{end}") for end in ("wal", "journal")) if p.exists()]
    if beside or head[18:20] == IN_WAL:
        found = f"found {beside[0]} beside it" if beside else "found one in WAL mode"
        raise CheckpointError(
            f"{path} may lack its last changes: expected a database that no program is writing, {found}. Close the "
            "program that has it open, or run: sqlite3 FILE 'PRAGMA journal_mode=delete'."
        )
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=SECONDS)) as database:
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 4 * LONGEST)  # bytes of a row
            for pragma in ("trusted_schema=OFF", "query_only=ON", "cell_size_check=ON"):
                database.execute(f"PRAGMA {pragma}")
            _must_have_our_schema(path, database)
            if (said := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise CheckpointError(f"{path} is damaged: {brief(said)}. {REMEDY}")
            return _stored(path, database)
    except sqlite3.Error as error:
        if "locked" in str(error) or "busy" in str(error):
            raise CheckpointError(f"{path} is locked by another program. Close that, then run this again.") from error
        raise CheckpointError(f"{path} is damaged or no database of a memory: {brief(error)}. {REMEDY}") from error
    except INVALID_CONTENT as error:
        raise _no_memory(path, error) from error


def _must_have_our_schema(path: Path, database: sqlite3.Connection) -> None:
    """Refuse every table, view, trigger and index but our own, and any other form of those."""
    found = database.execute("SELECT type, name, sql FROM sqlite_master LIMIT 100").fetchall()
    ours = {("table", name): _plain(sql) for name, sql in SCHEMA.items()}
    theirs = {(kind, name): _plain(str(sql)) for kind, name, sql in found}
    if others := sorted(theirs.keys() - ours.keys()):
        kind, name = others[0]
        raise CheckpointError(
            f"{path} holds the {brief(kind, 20)} {brief(name, 60)!r}: expected the tables {', '.join(SCHEMA)} and "
            "nothing else. Refused; export its rows into a file of that form."
        )
    for name, sql in SCHEMA.items():
        got = theirs.get(("table", name), "no such table")
        if got != _plain(sql):
            raise CheckpointError(
                f"{path} is no memory of this form: expected `{sql}`, found `{brief(got, 200)}`. {REMEDY}"
            )


def _stored(path: Path, database: sqlite3.Connection) -> Stored:
    """The rows of a database whose schema is ours. Raises `CheckpointError`, one of `INVALID_CONTENT`."""
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for table, most in MOST_ROWS.items():
        rows[table] = database.execute(f"SELECT {COLUMNS[table]} FROM {table} ORDER BY 1 LIMIT {most + 1}").fetchall()
        if len(rows[table]) > most:
            raise CheckpointError(f"{path} holds more than {most:,} rows in its table {table}; refused.")
        if table == "meta":
            meta = {_text(name): _text(value) for name, value in rows[table]}
            found = meta.pop("format", "none")
            _must_be_format(path, int(found) if found.isdecimal() else found)
    records: dict[int, list[Any]] = {}
    for k, goal, scene, visits in rows["records"]:
        records[k] = [_text(goal), _text(scene), counter(visits, "visits"), []]
    for record, phrase, q, u, n in rows["actions"]:
        known = [_text(phrase), number(q, "a value"), number(u, "a value"), counter(n, "a count", least=1)]
        if record not in records:
            raise ValueError(f"an action is of record {record!r:.80}, which is not there")
        records[record][3].append(known)
    begins = {_text(goal): _text(scene) for goal, scene in rows["begins"]}
    if len(begins) != len(rows["begins"]):
        raise ValueError("a goal begins twice")
    settings = json.loads(meta.pop("settings", "{}"))
    return Stored({"begins": begins, "records": list(records.values())}, dict(settings), meta)


def _must_be_format(path: Path, found: object) -> None:
    if found != FORMAT or isinstance(found, bool):
        raise CheckpointError(
            f"{path} is of format {brief(repr(found), 40)}, expected {FORMAT}: it was written by another version of "
            "this program. Export it with the version that wrote it, as JSON, or take the newer one."
        )


def _no_memory(path: Path, error: BaseException) -> CheckpointError:
    return CheckpointError(f"{path} holds no memory: {type(error).__name__}: {brief(error)}. {REMEDY}")


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > LONGEST:
        raise ValueError(f"{value!r:.80} is no text of at most {LONGEST:,} characters")
    return value


def _plain(sql: str) -> str:
    """A statement without what its spaces say."""
    return " ".join(sql.split())


def about(**facts: object) -> dict[str, str]:
    """Facts of a memory for people; those that are not known are left out."""
    return {name: str(value) for name, value in facts.items() if value is not None}
