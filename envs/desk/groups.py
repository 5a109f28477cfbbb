"""The products that a session is about, and what the table says of them. No questions."""

from __future__ import annotations

import dataclasses
import functools
import random
from typing import NamedTuple

from ..agent.csv_table import Table, TableError, shown
from ..draws import shuffled
from .words import Words

N_MATERIALS, PER_MATERIAL = 3, 2
N_PRODUCTS = N_MATERIALS * PER_MATERIAL
"""Of a group: so many products of each material."""
MOST_ATTRIBUTES = 5
"""Columns of the table beside the name, at most; of a table of the user's with more, a session draws some."""
N_ANSWERS = 4
"""Candidate answers of a question."""
AND = " and "
"""Between the two entries of an answer to a comparison."""
TRIES = 200
"""Groups drawn from a table until one can be asked about."""


class Group(NamedTuple):
    """Products of three materials, two of each, and the table: an entry for every product and attribute.

    material_of: for every product its index in `materials`; values: [N_PRODUCTS][attributes], as text.
    others: for every attribute the entries that there are at all, of which wrong answers are made.
    """

    names: tuple[str, ...]
    materials: tuple[str, ...]
    material_of: tuple[int, ...]
    attributes: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    others: tuple[tuple[str, ...], ...]

    def table(self) -> Table:
        """The table that can be looked into; it holds no materials, and nothing about care."""
        key, taken = "product", {name.casefold() for name in self.attributes}
        while key in taken:
            key += "_"
        rows = ((name, *values) for name, values in zip(self.names, self.values, strict=True))
        return Table((key, *self.attributes), tuple(rows))

    def unique(self) -> tuple[tuple[int, int], ...]:
        """Every (product, attribute) whose entry no other product of the group has."""
        columns = list(zip(*self.values, strict=True))
        return tuple((p, a) for a, column in enumerate(columns) for p, it in enumerate(column) if column.count(it) == 1)

    def unlike(self) -> tuple[tuple[int, int, int], ...]:
        """Every (product, other product, attribute) with two different entries."""
        return tuple(
            (p, q, a)
            for a in range(len(self.attributes))
            for p in range(N_PRODUCTS)
            for q in range(N_PRODUCTS)
            if self.values[p][a] != self.values[q][a]
        )


def drawn(words: Words, rng: random.Random) -> Group:
    """A group of the project's own words; in no column are two entries alike."""
    names = shuffled(rng, words.products)[:N_PRODUCTS]
    materials = shuffled(rng, words.materials)[:N_MATERIALS]
    material_of = shuffled(rng, [k for k in range(N_MATERIALS) for _ in range(PER_MATERIAL)])
    columns = [shuffled(rng, values)[:N_PRODUCTS] for values in words.values.values()]
    rows = tuple(zip(*columns, strict=True))
    others = tuple(words.values.values())
    return Group(tuple(names), tuple(materials), tuple(material_of), tuple(words.values), rows, others)


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A table of the user's, ready to draw groups from; `material`: the column that care depends on.

    Compared by identity, since a table may be large.
    """

    table: Table
    material: str

    @functools.cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that can be asked about: enough different entries, none of which reads like two."""
        rest = [name for name in self.table.columns[1:] if name != self.material]
        entries = {name: {shown(value) for value in self.table.column(name)} for name in rest}
        return tuple(n for n in rest if len(entries[n]) >= N_ANSWERS and not any(AND in it for it in entries[n]))

    def drawn(self, rng: random.Random) -> Group:
        """A group of the table's rows. Raises `TableError` where there is none that every question can be asked of."""
        made_of = [shown(value) for value in self.table.column(self.material)]
        rows_of = {it: [row for row, own in enumerate(made_of) if own == it] for it in dict.fromkeys(made_of)}
        enough = [it for it, rows in rows_of.items() if len(rows) >= PER_MATERIAL]
        for _ in range(TRIES):
            materials = shuffled(rng, enough)[:N_MATERIALS]
            members = [(k, row) for k, it in enumerate(materials) for row in shuffled(rng, rows_of[it])[:PER_MATERIAL]]
            members = shuffled(rng, members)
            names = self.columns
            kept = sorted(shuffled(rng, range(len(names)))[:MOST_ATTRIBUTES])
            attributes = tuple(names[k] for k in kept)
            columns = [[shown(value) for value in self.table.column(name)] for name in attributes]
            group = Group(
                tuple(str(self.table.rows[row][0]) for _, row in members),
                tuple(materials),
                tuple(k for k, _ in members),
                attributes,
                tuple(tuple(column[row] for column in columns) for _, row in members),
                tuple(tuple(dict.fromkeys(column)) for column in columns),
            )
            if group.unique() and group.unlike():
                return group
        raise TableError(
            "The table gives no group of products that differ: no column has an entry that only one of six has."
        )


def source(table: Table, material: str) -> Source:
    """A table to draw groups from. Raises `TableError` where it does not hold what the questions need."""
    if material not in table.columns[1:]:
        raise TableError(
            f"The table has no column {material!r}, on which care depends; its columns are {', '.join(table.columns)}. "
            "Add one, or name another: material=COLUMN."
        )
    found = Source(table, material)
    entries = [shown(value) for value in table.column(material)]
    enough = sorted({it for it in entries if entries.count(it) >= PER_MATERIAL})
    if len(enough) < N_MATERIALS:
        raise TableError(
            f"The column {material!r} has {len(enough)} entries that {PER_MATERIAL} rows or more share "
            f"({', '.join(enough) or 'none'}), expected {N_MATERIALS} or more."
        )
    if not found.columns:
        raise TableError(
            f"No column can be asked about: beside the first and {material!r} the table needs one with {N_ANSWERS} "
            f"different entries or more, none of which holds {AND!r}."
        )
    found.drawn(random.Random("desk table"))
    return found
