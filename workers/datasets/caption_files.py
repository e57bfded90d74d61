"""The kinds of file that captions come in: text, CSV, JSON lines, tar shards.

Each is scanned once from end to end, which checks it and gives the place of every sample, and can
be asked for a single sample by its place after that.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Protocol

from backend.catalogue.json_lines import DECLARATION
from backend.encoding.decoding import DecodeLimits
from backend.errors import InvalidInput
from workers.datasets.annotations import MAX_LINE, placed_lines
from workers.datasets.caption_records import Captioned, Columns, Place, bytes_at, object_of, text_of
from workers.datasets.image_files import ENDINGS
from workers.datasets.tar_members import Member, members

_TEXTS = (".txt", ".caption")
_JSON = ".json"
_ABSENT = -1
_KINDS = 1_000  # of lines, by their keys, whose columns are remembered


class CaptionFile(Protocol):
    """One file of captions. `width` is how many whole numbers say where a sample is."""

    width: int
    path: Path

    def scan(self) -> Iterator[tuple[Place, str] | None]:
        """Place and caption of each sample; None for one that has no caption.

        Raises InvalidInput where the file is damaged, saying where.
        """
        ...

    def read(self, place: Place) -> Captioned:
        """The sample at the place. Raises InvalidInput where the file was changed meanwhile."""
        ...


def caption_file(path: Path, column: str | None = None) -> CaptionFile | None:
    """The reader for the file by its ending, None if there is none for it.

    column: what holds the captions of CSV and JSON, instead of guessing.
    """
    ending = path.suffix.lower()
    if ending == ".txt":
        return TextFile(path)
    if ending in (".csv", ".tsv"):
        return TableFile(path, column)
    if ending in (".jsonl", ".ndjson"):
        return JsonLinesFile(path, column)
    return TarFile(path, column) if ending == ".tar" else None


class TextFile:
    """One caption a line; a blank line is none."""

    width = 2

    def __init__(self, path: Path) -> None:
        self.path = path

    def scan(self) -> Iterator[tuple[Place, str] | None]:
        for _, start, end, text in placed_lines(self.path):
            if caption := text.strip():
                yield (start, end), caption

    def read(self, place: Place) -> Captioned:
        data = bytes_at(self.path, place[0], place[1])
        return Captioned(text_of(data, str(self.path)).strip())


class JsonLinesFile:
    """One JSON object a line."""

    width = 2

    def __init__(self, path: Path, column: str | None) -> None:
        self.path = path
        self._column = column
        self._columns: dict[tuple[str, ...], Columns] = {}

    def scan(self) -> Iterator[tuple[Place, str] | None]:
        for number, start, end, text in placed_lines(self.path):
            if not text.strip():
                continue
            where = f"{self.path}, line {number}"
            values = object_of(text, where)
            if DECLARATION not in values:  # as the first line of an exported catalogue has it
                yield (start, end), self._columns_of(values, where).caption_of(values, where)

    def read(self, place: Place) -> Captioned:
        where = str(self.path)
        values = object_of(text_of(bytes_at(self.path, place[0], place[1]), where), where)
        return self._columns_of(values, where).captioned(values, self.path, where)

    def _columns_of(self, values: Mapping[str, object], where: str) -> Columns:
        keys = tuple(values)
        if keys not in self._columns:
            if len(self._columns) > _KINDS:  # lines that are all different
                self._columns.clear()
            self._columns[keys] = Columns.of(keys, self._column, where)
        return self._columns[keys]


class TableFile:
    """CSV with a header, separated by tabs where the header has one, else by commas."""

    width = 2

    def __init__(self, path: Path, column: str | None) -> None:
        self.path = path
        first = next((text for *_, text in placed_lines(path)), "")
        self._delimiter = "\t" if "\t" in first else ","
        self._header = next((row for *_, row in self._rows()), [])
        self._columns = Columns.of(self._header, column, str(path))

    def scan(self) -> Iterator[tuple[Place, str] | None]:
        for number, start, end, row in self._rows():
            if row and start > 0:
                where = f"{self.path}, line {number}"
                yield (start, end), self._columns.caption_of(self._values(row, where), where)

    def read(self, place: Place) -> Captioned:
        text = text_of(bytes_at(self.path, place[0], place[1]), str(self.path))
        # One string: splitlines would also end a row at U+2028 and its like.
        rows = csv.reader([text], delimiter=self._delimiter)
        values = self._values(next(rows, []), str(self.path))
        return self._columns.captioned(values, self.path, str(self.path))

    def _values(self, row: list[str], where: str) -> dict[str, str]:
        if len(row) != len(self._header):
            raise InvalidInput(
                f"{where}: it has {len(row)} cells, and the header has {len(self._header)}: "
                "correct it."
            )
        return dict(zip(self._header, row, strict=True))

    def _rows(self) -> Iterator[tuple[int, int, int, list[str]]]:
        """Last line, first byte, byte after the last, and cells of each row, the header too."""
        line, start, end = 0, 0, 0

        def fed() -> Iterator[str]:
            nonlocal line, end
            for line, _, end, text in placed_lines(self.path):  # noqa: B007 (read outside)
                yield text

        try:
            for row in csv.reader(fed(), delimiter=self._delimiter, strict=True):
                yield line, start, end, row
                start = end
        except csv.Error as error:
            raise InvalidInput(
                f"{self.path}, line {line}: it is no CSV ({error}): correct it."
            ) from error


class TarFile:
    """A shard of samples: members that differ in their endings only, as WebDataset writes them.

    The caption is the text file of a sample, or else the caption in its JSON file.
    """

    width = 5  # begin and end of the caption, whether it is JSON, begin and end of the picture

    def __init__(self, path: Path, column: str | None) -> None:
        self.path = path
        self._column = column

    def scan(self) -> Iterator[tuple[Place, str] | None]:
        for _, sample in groupby(members(self.path), key=lambda one: _key(one.name)):
            parts = {_ending(one.name): one for one in sample}
            if place := self._place(parts):
                yield place, self._caption(place)
            else:
                yield None

    def read(self, place: Place) -> Captioned:
        start, end = place[3], place[4]
        picture = None if start == _ABSENT else bytes_at(self.path, start, end)
        return Captioned(self._caption(place), picture)

    def _place(self, parts: Mapping[str, Member]) -> Place | None:
        told = next((parts[one] for one in (*_TEXTS, _JSON) if one in parts), None)
        if told is None:
            return None
        shown = next((parts[one] for one in ENDINGS if one in parts), None)
        self._check(told, MAX_LINE)
        if shown is None:
            return *_span(told), int(_ending(told.name) == _JSON), _ABSENT, _ABSENT
        self._check(shown, DecodeLimits().max_bytes)
        return *_span(told), int(_ending(told.name) == _JSON), *_span(shown)

    def _caption(self, place: Place) -> str:
        where = f"{self.path}, byte {place[0]:,}"
        text = text_of(bytes_at(self.path, place[0], place[1]), where)
        if not place[2]:
            return text.strip()
        values = object_of(text, where)
        return Columns.of(list(values), self._column, where).caption_of(values, where)

    def _check(self, member: Member, most: int) -> None:
        if member.size > most:
            raise InvalidInput(
                f"{self.path}: {member.name} has {member.size:,} bytes, and {most:,} are allowed: "
                "take it out."
            )


def _span(member: Member) -> tuple[int, int]:
    return member.offset, member.offset + member.size


def _key(name: str) -> tuple[str, str]:
    path = PurePosixPath(name)
    return str(path.parent), path.name.partition(".")[0]


def _ending(name: str) -> str:
    return "." + PurePosixPath(name).name.partition(".")[2].lower()
