"""The text of a manifest as a table: CSV with whatever delimiter, or JSON lines.

The columns `akin_line`, `akin_outcome` and `akin_reason` are Akin's own remarks and no data: a CSV
of refusals says in them what was wrong.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from backend.catalogue.json_lines import DECLARATION, json_columns, json_declarations, json_records
from backend.catalogue.schemas import AttributeDeclaration, TextEncoding
from backend.errors import InvalidInput, TooLarge

MAX_ROWS = 250_000
MAX_COLUMNS = 1000
REMARKS = frozenset({"akin_line", "akin_outcome", "akin_reason", DECLARATION})
_DELIMITERS = ",;\t"
_JSON_SUFFIXES = frozenset({".jsonl", ".ndjson"})
_SHOWN = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252"}
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CHUNK = 1 << 20
_HEADER = 1 << 16
# A spreadsheet runs what begins so, and what follows its separators; the apostrophe that stops it
# (backend/jobs/report_table.py puts it there) is no part of the text.
_PROTECTED = re.compile(r"""^'(?='*[=+\-@\t\r])|(?<=[;\t\r\n])'(?=['"]*[=+\-@])""")


class NotUtf8(InvalidInput):
    """A text in some other encoding, which somebody has to name."""

    code = "not-utf-8"


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
            TooLarge: after `MAX_ROWS` rows.
        """
        found = self._json_records() if self.is_json else self._csv_records()
        for count, record in enumerate(found, start=1):
            if count > MAX_ROWS:
                raise TooLarge(
                    f"{self.name} has more than {MAX_ROWS:,} rows: split it into several files."
                )
            yield record

    def _json_records(self) -> Iterator[Record]:
        for number, values, problem in json_records(_lines(self._data, self._codec, "\n")):
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
        lines = _lines(self._data, self._codec, "")
        for _ in range(self._skipped):
            next(lines)
        reader = csv.reader(lines, delimiter=self.delimiter or ",", strict=True)
        number = self._skipped
        while True:
            number += 1
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
        InvalidInput: if it is not text, is empty, has a column twice, or holds no JSON object.
        TooLarge: for more than `MAX_COLUMNS` columns.
    """
    codec = _codec(data, name, fallback)
    table = Table(name, [], _SHOWN[codec], None, [], data, codec)
    if PurePosixPath(name).suffix.lower() in _JSON_SUFFIXES:
        return _with_columns(table, _json_columns(table))
    start = next((line for line in _lines(data, codec, "") if line.strip()), "")
    if named := re.fullmatch(r'"?sep=([,;\t])"?\s*', start, re.IGNORECASE):
        before = next(n for n, line in enumerate(_lines(data, codec, "")) if line.strip())
        table = replace(table, delimiter=named[1], _skipped=before + 1)
    else:
        table = replace(table, delimiter=_delimiter(data, codec))
    _, header = next(table._csv_rows(), (0, []))
    columns = [column for cell in header if (column := _name(cell))]
    _check_unique(columns, name)
    return _with_columns(table, columns)


def _with_columns(table: Table, columns: list[str]) -> Table:
    if len(columns) > MAX_COLUMNS:
        raise TooLarge(
            f"{table.name} has {len(columns):,} columns, and {MAX_COLUMNS:,} are allowed: leave "
            "out those that say nothing about the products."
        )
    declared = json_declarations(_lines(table._data, table._codec, "\n"), table.name)
    return replace(table, columns=columns, declared=declared if table.is_json else [])


def _json_columns(table: Table) -> list[str]:
    columns = json_columns(_lines(table._data, table._codec, "\n"), MAX_COLUMNS)
    if columns is None:
        raise InvalidInput(
            f"{table.name} holds no JSON object: write one object a line, such as "
            '{"sku": "A1", "image": "a1.jpg"}.'
        )
    return [column for column in columns if column not in REMARKS]


def _codec(data: bytes, name: str, fallback: TextEncoding | None) -> str:
    """The codec that reads every byte; checked in pieces, since a text is larger than its bytes."""
    codec = next((codec for bom, codec in _BOMS.items() if data.startswith(bom)), "utf-8")
    if not _decodes(data, codec):
        if codec != "utf-8" or fallback is None:
            raise _undecodable(data, codec, name)
        codec = "cp1252"
        if not _decodes(data, codec):
            raise InvalidInput(
                f"{name} is neither UTF-8 nor Windows-1252 text: save it as CSV in UTF-8."
            )
    if _holds_zeros(data, codec):
        raise InvalidInput(f"{name} holds zero bytes, so it is no text: save it as CSV in UTF-8.")
    if not any(line.strip() for line in _lines(data, codec, "")):
        raise InvalidInput(f"{name} is empty: write a header and at least one row.")
    return codec


def _holds_zeros(data: bytes, codec: str) -> bool:
    if codec != "utf-16":
        return b"\0" in data
    return any("\0" in line for line in _lines(data, codec, ""))


def _decodes(data: bytes, codec: str) -> bool:
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        for start in range(0, len(data), _CHUNK):
            decoder.decode(data[start : start + _CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _undecodable(data: bytes, codec: str, name: str) -> NotUtf8:
    try:
        data.decode(codec)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return NotUtf8(
            f"{name} is not {_SHOWN[codec]} text: byte {data[error.start]:#04x} in line {line:,} "
            "does not belong there: save it as CSV in UTF-8, or say that it is Windows-1252."
        )
    raise AssertionError  # it is only called for what does not decode


def _lines(data: bytes, codec: str, newline: str) -> Iterator[str]:
    yield from io.TextIOWrapper(io.BytesIO(data), codec, newline=newline)


def _delimiter(data: bytes, codec: str) -> str:
    """The one that is most frequent in the header, outside of quotes."""
    head = io.TextIOWrapper(io.BytesIO(data), codec, newline="").read(_HEADER)
    unquoted = re.sub(r'"(?:[^"]|"")*"', '""', head)
    header = next((line for line in re.split(r"[\r\n]+", unquoted) if line.strip()), "")
    return max(_DELIMITERS, key=header.count)


def _name(cell: str) -> str:
    """A column's name; empty for one that is not data."""
    name = _plain(cell.strip())
    return "" if name in REMARKS else name


def _check_unique(columns: list[str], name: str) -> None:
    for column, count in Counter(columns).items():
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
