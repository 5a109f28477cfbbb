"""A table that can be asked in SQL: SQLite in memory, read-only, with limits of work and of rows.

What may be asked is a `SELECT` on the table `products`; everything else is refused before it runs. Work is counted in
instructions of SQLite's machine and not in seconds, so that a query ends in the same way on every machine.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Sequence

from .csv_table import Table, TableError, Value

MOST_WORK, MOST_ROWS = 200_000, 100
"""Instructions of a query, and rows of its result."""
STRIDE = 1_000
"""Instructions between two looks at how many there were."""

FUNCTIONS = frozenset(
    ("abs", "avg", "count", "length", "like", "lower", "max", "min", "round", "sum", "total", "upper")
)
"""That a query may call."""
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 2_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 50,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 5,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 20_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 100,
}
"""Of SQLite itself: bytes of a value and of a query, its columns, depth, parts, program, attached files, patterns."""


class Database:
    """The table `products`, with the columns of a `Table`. Threads take turns."""

    def __init__(self, table: Table):
        self.table = table
        self._lock = threading.Lock()
        self._work = 0
        self._base = base = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        kinds = ("TEXT" if isinstance(value, str) else "REAL" for value in table.rows[0])
        columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in zip(table.columns, kinds, strict=True))
        base.execute(f"CREATE TABLE products ({columns})")
        base.executemany(f"INSERT INTO products VALUES ({', '.join('?' * len(table.columns))})", table.rows)
        base.execute("PRAGMA query_only=ON")
        for limit, value in LIMITS.items():
            base.setlimit(limit, value)
        base.set_authorizer(_is_allowed)
        base.set_progress_handler(self._count, STRIDE)

    def select(self, sql: str, parameters: Sequence[Value] = ()) -> tuple[tuple[Value, ...], ...]:
        """The rows of a query. Raises `TableError` where it is refused, wrong, too much work or too many rows."""
        if not re.match(r"\s*SELECT\b", sql, re.IGNORECASE):
            raise TableError("The table could not be asked: expected a query that begins with SELECT.")
        with self._lock:
            self._work = 0
            try:
                rows = self._base.execute(sql, tuple(parameters)).fetchmany(MOST_ROWS + 1)
            except (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError) as error:
                raise TableError(f"The table could not be asked: {error}") from error
        if len(rows) > MOST_ROWS:
            raise TableError(f"More than {MOST_ROWS} rows.")
        return tuple(rows)

    def value(self, row: str, column: str) -> Value:
        """The entry of a row, by its name, in a column. Raises `TableError` where there is none."""
        found = self.select(f"SELECT {self._known(column)} FROM products WHERE {self._key} = ?", (row,))
        if not found:
            raise TableError(f"The table has no row {row!r}.")
        return found[0][0]

    def rows_with(self, column: str, value: Value) -> tuple[str, ...]:
        """The names of the rows that have an entry in a column, in the order of the table."""
        sql = f"SELECT {self._key} FROM products WHERE {self._known(column)} = ?"
        return tuple(str(row[0]) for row in self.select(sql, (value,)))

    @property
    def _key(self) -> str:
        return quoted(self.table.columns[0])

    def _known(self, column: str) -> str:
        if column not in self.table.columns:  # SQLite would take it for a text
            raise TableError(f"The table has no column {column!r}, but {', '.join(self.table.columns)}.")
        return quoted(column)

    def _count(self) -> bool:
        self._work += STRIDE
        return self._work > MOST_WORK


def quoted(name: str) -> str:
    """A name in SQL, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def _is_allowed(action: int, first: str | None, second: str | None, base: str | None, within: str | None) -> int:
    """What SQLite asks before it prepares a query."""
    is_read = action == sqlite3.SQLITE_READ and first in ("products", "")
    is_call = action == sqlite3.SQLITE_FUNCTION and second in FUNCTIONS
    return sqlite3.SQLITE_OK if action == sqlite3.SQLITE_SELECT or is_read or is_call else sqlite3.SQLITE_DENY
