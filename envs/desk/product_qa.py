"""A reader of the folder form of ProductQA (Feng et al. 2024, AGILE, arXiv 2405.14751): groups of products, questions.

    FOLDER/<group>/<any>.csv     one: a line of column names, then a line for each product, named by the first column
    FOLDER/<group>/<any>.jsonl   one or more, read in the order of their names; of each line, a JSON object, the fields
        question                 text
        short_answer             text: what is right to say
        type                     fact | reasoning | recommendation (or search); or `question_type`
        long_answer              text; may be missing
        product_id               text or a list of texts, entries of the table's first column; or `product_ids`,
                                 `products`; may be missing

Small and capital letters, spaces and hyphens in the names of fields make no difference, other fields are left alone.
The form is the one that the article describes; there was no copy to try, so it is tested on folders made by tests only.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..agent.csv_table import MOST_COLUMNS, MOST_ROWS, Table, TableError, read_lines
from ..agent.menu import one_line

MOST_GROUPS, MOST_ITEMS, MOST_FILES = 200, 50_000, 100
"""Of a folder; questions and files of a group."""
MOST_BYTES, LONGEST_LINE = 16 << 20, 1 << 16
"""Of a table, and of a line of questions."""
LONGEST_NAME, LONGEST_ANSWER, LONGEST_QUESTION, LONGEST_TEXT = 60, 100, 400, 2_000
"""Characters of a name or cell, a short answer, a question, a long answer; what is longer is cut."""

KINDS = {"fact": "fact", "reasoning": "reasoning", "recommendation": "recommendation", "search": "recommendation"}
FIELDS = {
    "question": ("question",),
    "short_answer": ("short_answer",),
    "long_answer": ("long_answer",),
    "type": ("type", "question_type"),
    "products": ("product_id", "product_ids", "products"),
}
"""Of a question, and the names that each may have."""


class Item(NamedTuple):
    """A question with its answers; `products`: rows of the table."""

    question: str
    answer: str
    long_answer: str
    kind: str
    products: tuple[int, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """A group of products: its table, all texts, and its questions. Compared by identity, since it may be large."""

    name: str
    table: Table
    items: tuple[Item, ...]

    def __deepcopy__(self, memo: object) -> Group:
        return self

    @functools.cached_property
    def answers(self) -> dict[str, tuple[str, ...]]:
        """Of every kind of question the answers that there are, in order; of those that differ in case alone one."""
        found: dict[str, dict[str, str]] = {}
        for item in self.items:
            found.setdefault(item.kind, {}).setdefault(item.answer.casefold(), item.answer)
        return {kind: tuple(answers.values()) for kind, answers in found.items()}

    @functools.cached_property
    def askable(self) -> tuple[Item, ...]:
        """The questions to which there is a wrong answer too."""
        return tuple(item for item in self.items if len(self.answers[item.kind]) > 1)

    @functools.cached_property
    def entries(self) -> dict[str, tuple[tuple[int, str], ...]]:
        """By the words of an entry every (column, entry) that reads so; names of products left out."""
        found: dict[str, dict[tuple[int, str], None]] = {}
        for row in self.table.rows:
            for column, entry in enumerate(map(str, row)):
                if column and (words := words_of(entry)):
                    found.setdefault(" ".join(words), {})[column, entry] = None
        return {words: tuple(entries) for words, entries in found.items()}


def words_of(text: str) -> list[str]:
    """The words of a text, in small letters."""
    return re.findall(r"\w+", text.casefold())


def read_folder(folder: str | Path, groups: Sequence[str] | None = None) -> tuple[Group, ...]:
    """The groups of a folder, by name; of `groups` only those, in that order.

    Raises `TableError` for a folder, a file or a line that is not of this form, with its place and the remedy.
    """
    root = Path(folder).expanduser()
    where = f"data={folder}"
    try:
        names = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        return _groups(root, where, names, names if groups is None else groups)
    except OSError as error:
        raise TableError(f"{where} cannot be read: {error}") from error


def _groups(root: Path, where: str, names: Sequence[str], wanted: Sequence[str]) -> tuple[Group, ...]:
    if not 0 < len(names) <= MOST_GROUPS:
        raise TableError(
            f"{where} holds {len(names)} folders, expected one for each product group, 1 to {MOST_GROUPS}."
        )
    for name in wanted:
        if name not in names:
            raise TableError(f"{where} has no group {name!r}, but {one_line(', '.join(names), LONGEST_TEXT)}.")
    return tuple(_group(root / name, name) for name in wanted)


def _group(folder: Path, name: str) -> Group:
    where = f"The group {name!r}"
    files = sorted(path for path in folder.iterdir() if path.is_file())
    tables = [path for path in files if path.suffix.lower() == ".csv"]
    questions = [path for path in files if path.suffix.lower() == ".jsonl"]
    if len(tables) != 1 or not 0 < len(questions) <= MOST_FILES:
        raise TableError(
            f"{where} ({folder}) holds {len(tables)} tables (.csv) and {len(questions)} files of questions (.jsonl), "
            "expected one table, and one file of questions or more."
        )
    table = _table(tables[0])
    rows = {str(row[0]).casefold(): number for number, row in enumerate(table.rows)}
    items: list[Item] = []
    n_named = 0
    for path in questions:
        for place, fields in _objects(path):
            item, named = _item(place, fields, rows)
            items.append(item)
            n_named += named
            if len(items) > MOST_ITEMS:
                raise TableError(f"{where} holds more than {MOST_ITEMS:,} questions.")
    if n_named and not any(item.products for item in items):
        raise TableError(
            f"{where}: no product that a question names is in the first column of {tables[0].name} "
            f"({table.columns[0]!r}). Put the column with these names first."
        )
    found = Group(name, table, tuple(items))
    if not found.askable:
        raise TableError(f"{where} has no two questions of one type whose short answers differ, so none can be asked.")
    return found


def _table(path: Path) -> Table:
    """The table of a group: every cell a text, cut to length; a cell may be empty, but not the name of a product."""
    where = f"table={path}"
    (first, head), *rows = read_lines(path, where, MOST_BYTES) or [(1, [])]
    if not 2 <= len(head) <= MOST_COLUMNS or not 1 <= len(rows) <= MOST_ROWS:
        got = f"{len(head)} columns and {len(rows):,} rows"
        raise TableError(f"{where} has {got}, expected 2 to {MOST_COLUMNS} and 1 to {MOST_ROWS:,}.")
    cut = [(line, tuple(one_line(cell, LONGEST_NAME) for cell in row)) for line, row in rows]
    columns = tuple(one_line(name, LONGEST_NAME) for name in head)
    for line, row in cut:
        if len(row) != len(head):
            raise TableError(f"{where}, line {line}: {len(row)} cells, but {len(head)} columns.")
    for what, names in (
        ("column", [(first, name) for name in columns]),
        ("product", [(at, row[0]) for at, row in cut]),
    ):
        seen = {""}
        for line, name in names:
            if name.casefold() in seen:
                raise TableError(
                    f"{where}, line {line}: the {what} {name!r}, expected a name that no other {what} has."
                )
            seen.add(name.casefold())
    return Table(columns, tuple(row for _, row in cut))


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file of JSON lines, with their place, names of fields made alike."""
    with path.open("rb") as file:
        for number in range(1, MOST_ITEMS + 2):
            line = file.readline(LONGEST_LINE + 1)
            place = f"{path}, line {number}"
            if not line:
                return
            if len(line) > LONGEST_LINE:
                raise TableError(f"{place}: longer than {LONGEST_LINE:,} bytes. Expected JSON lines.")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if not text.strip():
                    continue
                fields = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise TableError(f"{place}: no JSON in UTF-8: {one_line(str(error), LONGEST_QUESTION)}") from error
            if not isinstance(fields, dict):
                raise TableError(f"{place}: {type(fields).__name__}, expected an object with the fields {[*FIELDS]}.")
            yield place, {re.sub(r"[\s-]+", "_", name.strip().lower()): value for name, value in fields.items()}


def _item(place: str, fields: dict[str, Any], rows: dict[str, int]) -> tuple[Item, bool]:
    """The question of a line, and whether it names products."""
    got = {name: next((fields[it] for it in known if it in fields), None) for name, known in FIELDS.items()}
    texts = {}
    for name, longest in (
        ("question", LONGEST_QUESTION),
        ("short_answer", LONGEST_ANSWER),
        ("type", LONGEST_NAME),
        ("long_answer", LONGEST_TEXT),
    ):
        value = "" if name == "long_answer" and got[name] is None else got[name]
        texts[name] = one_line(value, longest) if isinstance(value, str) else ""
        if not isinstance(value, str) or (not texts[name] and name != "long_answer"):
            raise TableError(f"{place}: {name} is {one_line(repr(value), LONGEST_NAME)}, expected a text.")
    kind = KINDS.get(texts["type"].lower())
    if kind is None:
        raise TableError(f"{place}: the type is {texts['type']!r}, expected one of {', '.join(KINDS)}.")
    named = got["products"] if isinstance(got["products"], list) else [got["products"]] if got["products"] else []
    if not all(isinstance(name, str) for name in named):
        raise TableError(f"{place}: product_id holds what is no text, expected a text or a list of texts.")
    known = (rows.get(one_line(name, LONGEST_NAME).casefold()) for name in named)
    products = tuple(dict.fromkeys(row for row in known if row is not None))
    return Item(texts["question"], texts["short_answer"], texts["long_answer"], kind, products), bool(named)
