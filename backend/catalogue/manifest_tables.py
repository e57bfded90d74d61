"""The text of a manifest as a table: CSV with whatever delimiter, or JSON lines."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NoReturn

from backend.errors import InvalidInput

_DELIMITERS = ",;\t"
_JSON_SUFFIXES = frozenset({".jsonl", ".ndjson"})


@dataclass(slots=True)
class Record:
    """A row: its number as a spreadsheet or editor counts, and its values that are not empty."""

    number: int
    values: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None
    """What is wrong with the row as a whole, in words that end a sentence."""


@dataclass(frozen=True, slots=True)
class Table:
    """Named columns and the rows under them."""

    columns: list[str]
    records: list[Record]


def read_table(data: bytes, name: str) -> Table:
    """The table in a file, by the ending of its name: .jsonl and .ndjson, else CSV.

    Raises:
        InvalidInput: if it is not text, is empty, or breaks the format beyond one row.
    """
    text = _decoded(data, name)
    if PurePosixPath(name).suffix.lower() in _JSON_SUFFIXES:
        return _json_table(text, name)
    return _csv_table(text, name)


def _decoded(data: bytes, name: str) -> str:
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not UTF-8 text: save it as CSV in UTF-8.") from error
    if "\0" in text:
        raise InvalidInput(f"{name} holds zero bytes, so it is no text: save it as CSV in UTF-8.")
    if not text.strip():
        raise InvalidInput(f"{name} is empty: write a header and at least one row.")
    return text


def _csv_table(text: str, name: str) -> Table:
    lines = text.splitlines(keepends=True)
    header_line = next(line for line in lines if line.strip())
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=_delimiter(header_line), strict=True
    )
    rows = _numbered(reader, name)
    _, header = next(rows, (0, []))
    columns = [column.strip() for column in header]
    _check_columns(columns, name)
    records = [_csv_record(number, cells, columns) for number, cells in rows]
    return Table([column for column in columns if column], records)


def _numbered(reader: Any, name: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with their numbers."""
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InvalidInput(
                f"{name} cannot be read from row {number} on ({error}): check its quotes."
            ) from error
        if any(cell.strip() for cell in cells):
            yield number, cells


def _delimiter(header: str) -> str:
    unquoted = re.sub(r'"[^"]*"', "", header)
    return max(_DELIMITERS, key=unquoted.count)


def _check_columns(columns: list[str], name: str) -> None:
    named = [column for column in columns if column]
    for column in named:
        if named.count(column) > 1:
            raise InvalidInput(f"{name} has the column '{column}' twice: rename one of them.")


def _csv_record(number: int, cells: list[str], columns: list[str]) -> Record:
    beyond = [cell for cell in cells[len(columns) :] if cell.strip()]
    named = zip(columns, cells, strict=False)
    values = {column: cell.strip() for column, cell in named if column and cell.strip()}
    if beyond:
        counts = f"{len(cells)} cells under {len(columns)} columns"
        problem = f"it has {counts}: put quotes round what holds the delimiter."
        return Record(number, values, problem)
    return Record(number, values)


def _json_table(text: str, name: str) -> Table:
    lines = enumerate(text.split("\n"), start=1)
    records = [_json_record(number, line) for number, line in lines if line.strip()]
    columns = dict.fromkeys(column for record in records for column in record.values)
    if not columns and any(record.problem for record in records):
        raise InvalidInput(
            f"{name} holds no JSON object: write one object a line, such as "
            '{"sku": "A1", "image": "a1.jpg"}.'
        )
    return Table(list(columns), records)


def _json_record(number: int, line: str) -> Record:
    try:
        values = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return Record(number, problem="it is not valid JSON: write one object a line.")
    if not isinstance(values, dict):
        return Record(number, problem="it is not a JSON object: write one object a line.")
    if not _storable(values):
        problem = "it holds a character or number that cannot be stored: take it out."
        return Record(number, problem=problem)
    return Record(number, {k: v for k, v in values.items() if v is not None and v != ""})


def _no_constant(word: str) -> NoReturn:
    raise ValueError(word)


def _storable(value: Any) -> bool:
    """Whether a database can hold it: no lone surrogates, zero characters or overflown numbers."""
    if isinstance(value, dict):
        return all(_storable(key) and _storable(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_storable, value))
    if isinstance(value, str):
        return "\0" not in value and not re.search("[\ud800-\udfff]", value)
    return not isinstance(value, int | float) or (math.isfinite(value) and abs(value) < 2**63)
