"""The text of a manifest as a table: CSV with whatever delimiter, or JSON lines.

The columns `akin_line`, `akin_outcome` and `akin_reason` are Akin's own remarks and no data: a CSV
of refusals says in them what was wrong.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from backend.catalogue.json_lines import (
    DECLARATION,
    MAX_KEY,
    json_columns,
    json_declarations,
    json_records,
)
from backend.catalogue.manifest_text import SHOWN, RowLines, codec_of, delimiter_of, lines_of
from backend.catalogue.schemas import AttributeDeclaration, TextEncoding
from backend.errors import InvalidInput, TooLarge

MAX_ROWS = 250_000
MAX_COLUMNS = 1000
MAX_VALUES = 5_000_000
"""In all rows together, empty cells not counted: twenty in each of the most rows."""
REMARKS = frozenset({"akin_line", "akin_outcome", "akin_reason", DECLARATION})
_JSON_SUFFIXES = frozenset({".jsonl", ".ndjson"})
# A spreadsheet runs what begins so, and what follows its separators; the apostrophe that stops it
# (backend/spreadsheet.py puts it there) is no part of the text.
_PROTECTED = re.compile(r"""^'(?='*[=+\-@\t\r])|(?<=[;\t\r\n])'(?=['"]*[=+\-@])""")


@dataclass(slots=True)
class Record:
    """A row: its number as a spreadsheet or editor counts, and its values that are not empty."""

    number: int
    values: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None
    """What is wrong with the row as a whole, in words that end a sentence."""


@dataclass(frozen=True, slots=True)
class Table:
    """Named columns and the rows under them; the rows are read anew each time."""

    name: str
    columns: list[str]
    encoding: str
    """As people call it."""
    delimiter: str | None
    """None for JSON lines."""
    declared: list[AttributeDeclaration]
    _data: bytes
    _codec: str
    _skipped: int = 0
    """Lines before the header."""

    @property
    def is_json(self) -> bool:
        """Whether its values have types of their own."""
        return self.delimiter is None

    def records(self) -> Iterator[Record]:
        """The rows in their order, blank ones left out.

        Raises:
            InvalidInput: where the format is broken beyond one row.
            TooLarge: after `MAX_ROWS` rows, or `MAX_VALUES` values.
        """
        found = self._json_records() if self.is_json else self._csv_records()
        values = 0
        for count, record in enumerate(found, start=1):
            values += len(record.values)
            if count > MAX_ROWS or values > MAX_VALUES:
                most = f"{MAX_ROWS:,} rows" if count > MAX_ROWS else f"{MAX_VALUES:,} filled cells"
                raise TooLarge(f"{self.name} has more than {most}: split it into several files.")
            yield record

    def _json_records(self) -> Iterator[Record]:
        for number, values, problem in json_records(lines_of(self._data, self._codec, "\n")):
            kept = {k: v for k, v in values.items() if k not in REMARKS}
            if kept or problem:
                given = {key: one for key, one in kept.items() if one is not None and one != ""}
                yield Record(number, given, problem)

    def _csv_records(self) -> Iterator[Record]:
        rows = self._csv_rows()
        _, header = next(rows, (0, []))
        names = [_name(cell) for cell in header]
        for number, cells in rows:
            record = _csv_record(number, cells, names)
            if record.values or record.problem:
                yield record

    def _csv_rows(self) -> Iterator[tuple[int, list[str]]]:
        """Rows that are not blank, with their numbers, the header first."""
        all_lines = lines_of(self._data, self._codec, "")
        for _ in range(self._skipped):
            next(all_lines)
        lines = RowLines(all_lines)
        reader = csv.reader(lines, delimiter=self.delimiter or ",", strict=True)
        number = self._skipped
        while True:
            number += 1
            lines.begin_row()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise InvalidInput(
                    f"{self.name} cannot be read from row {number} on ({error}): check its quotes."
                ) from error
            if any(cell.strip() for cell in cells):
                yield number, cells


def read_table(data: bytes, name: str, fallback: TextEncoding | None = None) -> Table:
    """The table in a file, by the ending of its name: .jsonl and .ndjson, else CSV.

    fallback: how to read a text that is not UTF-8.

    Raises:
        NotUtf8: if it is not UTF-8 and there is no fallback.
        InvalidInput: if it is not text, is empty, has a column twice or with an endless name, or
            holds no JSON object.
        TooLarge: for more than `MAX_COLUMNS` columns.
    """
    codec = codec_of(data, name, fallback)
    table = Table(name, [], SHOWN[codec], None, [], data, codec)
    if PurePosixPath(name).suffix.lower() in _JSON_SUFFIXES:
        return _with_columns(table, _json_columns(table))
    start = next((line for line in lines_of(data, codec, "") if line.strip()), "")
    if named := re.fullmatch(r'"?sep=([,;\t])"?\s*', start, re.IGNORECASE):
        before = next(n for n, line in enumerate(lines_of(data, codec, "")) if line.strip())
        table = replace(table, delimiter=named[1], _skipped=before + 1)
    else:
        table = replace(table, delimiter=delimiter_of(data, codec))
    _, header = next(table._csv_rows(), (0, []))
    return _with_columns(table, [column for cell in header if (column := _name(cell))])


def _with_columns(table: Table, columns: list[str]) -> Table:
    if len(columns) > MAX_COLUMNS:
        raise TooLarge(
            f"{table.name} has {len(columns):,} columns, and {MAX_COLUMNS:,} are allowed: leave "
            "out those that say nothing about the products."
        )
    _check_names(columns, table.name)
    declared = json_declarations(lines_of(table._data, table._codec, "\n"), table.name)
    return replace(table, columns=columns, declared=declared if table.is_json else [])


def _json_columns(table: Table) -> list[str]:
    columns = json_columns(lines_of(table._data, table._codec, "\n"), MAX_COLUMNS)
    if columns is None:
        raise InvalidInput(
            f"{table.name} holds no JSON object: write one object a line, such as "
            '{"sku": "A1", "image": "a1.jpg"}.'
        )
    return [column for column in columns if column not in REMARKS]


def _name(cell: str) -> str:
    """A column's name; empty for one that is not data."""
    name = _plain(cell.strip())
    return "" if name in REMARKS else name


def _check_names(columns: list[str], name: str) -> None:
    for column, count in Counter(columns).items():
        if len(column) > MAX_KEY:
            raise InvalidInput(
                f"{name} has a column whose name has {len(column):,} characters "
                f"({column[:40]!r}…), and {MAX_KEY} are allowed: shorten it."
            )
        if count > 1:
            times = "twice" if count == 2 else f"{count} times"
            raise InvalidInput(f"{name} has the column '{column}' {times}: rename one of them.")


def _csv_record(number: int, cells: list[str], names: list[str]) -> Record:
    named = zip(names, cells, strict=False)
    values = {name: _plain(text) for name, cell in named if name and (text := cell.strip())}
    if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
        counts = f"{len(cells)} cells under {len(names)} columns"
        problem = f"it has {counts}: put quotes round what holds the delimiter."
        return Record(number, values, problem)
    return Record(number, values)


def _plain(text: str) -> str:
    return _PROTECTED.sub("", text) if "'" in text else text
