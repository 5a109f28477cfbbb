"""A table of the user's: a bounded CSV file, typed column by column, whose faults are named by their line."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .menu import one_line

MOST_BYTES, MOST_ROWS, MOST_COLUMNS, LONGEST = 1 << 20, 5_000, 50, 60
"""Of a file; rows and columns of the table; characters of a cell or name, which becomes part of phrases."""

NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,10})?")
"""What is read as a number; a number with leading zeros is a text, as codes are."""

Value = str | int | float


class Table(NamedTuple):
    """The names of the columns, the first of which names the rows, and the rows; a column holds numbers or texts."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]

    def column(self, name: str) -> tuple[Value, ...]:
        """The entries of a column, row by row."""
        return tuple(row[self.columns.index(name)] for row in self.rows)


class TableError(ValueError):
    """A table that cannot be used, and why."""


def shown(value: Value) -> str:
    """An entry as text."""
    return (
        value if isinstance(value, str) else f"{value:.10f}".rstrip("0").rstrip(".") if value % 1 else str(int(value))
    )


def read_csv(path: str | Path) -> Table:
    """The table of a file: comma-separated, UTF-8, the first line names the columns, the first column the rows.

    Raises `TableError` for a file that is not such a table, with the line and the remedy.
    """
    where = f"table={path}"
    return _table(where, read_lines(path, where))


def read_lines(path: str | Path, where: str, most: int = MOST_BYTES) -> list[tuple[int, list[str]]]:
    """The lines of a CSV file of at most `most` bytes, as (number, cells), empty ones left out.

    Raises `TableError` for a file that is none; `where` is what it is called there.
    """
    try:
        file = Path(path).expanduser()
        if not file.is_file():
            raise TableError(f"{where} is no file. Expected a CSV file, from the folder {Path.cwd()}.")
        with file.open("rb") as opened:
            data = opened.read(most + 1)
    except OSError as error:
        raise TableError(f"{where} cannot be read: {error}") from error
    if len(data) > most:
        raise TableError(f"{where} is larger than {most:,} bytes.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise TableError(f"{where}, line {line}: not UTF-8. Save the table as CSV with UTF-8.") from error
    if "\0" in text:
        raise TableError(f"{where} holds zero bytes, so it is no text. Save the table as CSV with UTF-8.")
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    lines: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                lines.append((reader.line_num, [cell.strip() for cell in row]))
    except csv.Error as error:
        raise TableError(f"{where}, line {reader.line_num}: {error}.") from error
    return lines


def _table(where: str, lines: Sequence[tuple[int, list[str]]]) -> Table:
    if len(lines) < 2:
        raise TableError(
            f"{where} has no rows. Expected a line with the names of the columns, and a line for each row."
        )
    (first, columns), *rows = lines
    if len(columns) == 1:
        hint = " Columns are separated by commas here, not by semicolons." if ";" in columns[0] else ""
        raise TableError(f"{where}, line {first}: one column, expected two or more.{hint}")
    if len(columns) > MOST_COLUMNS or len(rows) > MOST_ROWS:
        got = f"{len(columns)} columns and {len(rows):,} rows"
        raise TableError(f"{where} has {got}, expected at most {MOST_COLUMNS} and {MOST_ROWS:,}.")
    _must_be_unlike(where, "The column", [(first, name) for name in columns])
    for line, row in [(first, columns), *rows]:
        if len(row) != len(columns):
            raise TableError(
                f"{where}, line {line}: {len(row)} cells, but {len(columns)} columns. A cell that holds a comma needs "
                'quotes, "like, this".'
            )
        for name, cell in zip(columns, row, strict=True):
            if not cell or len(cell) > LONGEST or cell != one_line(cell):
                got = "an empty cell" if not cell else repr(cell[: LONGEST + 1])
                raise TableError(
                    f"{where}, line {line}, column {name!r}: {got}, expected printable text on one line, of 1 to "
                    f"{LONGEST} characters."
                )
    _must_be_unlike(where, "The row", [(line, row[0]) for line, row in rows])
    typed = [_typed([row[k] for _, row in rows]) if k else [row[0] for _, row in rows] for k in range(len(columns))]
    return Table(tuple(columns), tuple(zip(*typed, strict=True)))


def _typed(cells: list[str]) -> list[Value]:
    """The cells as numbers if all are, else as they are."""
    if not all(NUMBER.fullmatch(cell) for cell in cells):
        return list(cells)
    return [float(cell) if "." in cell else int(cell) for cell in cells]


def _must_be_unlike(where: str, what: str, names: Sequence[tuple[int, str]]) -> None:
    """Raise `TableError` where two names are alike, but for small and capital letters."""
    seen: dict[str, int] = {}
    for line, name in names:
        key = name.casefold()
        if key in seen:
            raise TableError(f"{where}, line {line}: {what} {name!r} is there already (line {seen[key]}).")
        seen[key] = line
