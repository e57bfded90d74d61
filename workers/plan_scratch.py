"""What planning an import remembers of every file, picture and row: a temporary database.

It lies in a nameless file that SQLite makes in the system's temporary folder and keeps in a cache
of a few megabytes while it is small; so planning takes the same memory for any number of rows.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Self

from backend.catalogue.manifest_rows import BadRow, Row
from backend.catalogue.schemas import FileClaim, ProductFields
from backend.catalogue.unicode_forms import composed
from workers.staged_files import FileSource

_AT_ONCE = 200
_SCHEMA = """
CREATE TABLE files (name TEXT PRIMARY KEY, sha256 TEXT, size INTEGER) WITHOUT ROWID;
CREATE TABLE pictures (
    place INTEGER PRIMARY KEY, key TEXT UNIQUE, path TEXT, named INTEGER DEFAULT 0,
    name TEXT, sha256 TEXT, size INTEGER, archive TEXT, member INTEGER
);
CREATE TABLE rows (
    place INTEGER PRIMARY KEY, sku TEXT UNIQUE, number INTEGER, fields TEXT, images TEXT
);
CREATE TABLE refused (
    place INTEGER PRIMARY KEY, sku TEXT, number INTEGER, sentence TEXT, cells TEXT, images TEXT
);
CREATE TABLE items (sku TEXT PRIMARY KEY, position INTEGER, before INTEGER) WITHOUT ROWID;
"""
_ADD_PICTURE = """
INSERT INTO pictures (key, path, name, sha256, size, archive, member) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_PICTURE = "SELECT name, sha256, size, archive, member FROM pictures WHERE key = ?"
_UNNAMED = """
SELECT name, sha256, size, archive, member, path FROM pictures WHERE NOT named ORDER BY place
"""
_PUT_ROW = """
INSERT INTO rows (sku, number, fields, images) VALUES (?, ?, ?, ?) ON CONFLICT (sku) DO UPDATE
SET number = excluded.number, fields = excluded.fields, images = excluded.images
"""
_REFUSE = "INSERT INTO refused (sku, number, sentence, cells, images) VALUES (?, ?, ?, ?, ?)"
_ADD_ITEM = """
INSERT INTO items (sku, position) VALUES (?, ?) ON CONFLICT (sku) DO UPDATE
SET before = position, position = excluded.position RETURNING before
"""


class Scratch:
    """The files of an import, its pictures, and the rows of the manifest that is read just now.

    For one thread. Its failures are SQLite's own, a full disk among them.
    """

    def __enter__(self) -> Self:
        self._sql = sqlite3.connect("", isolation_level=None)
        # Nothing here outlives the process, so nothing has to survive its end.
        self._sql.executescript(f"PRAGMA journal_mode = OFF; {_SCHEMA} BEGIN;")
        return self

    def __exit__(self, *_: object) -> None:
        self._sql.close()

    # Files

    def add_file(self, file: FileClaim) -> None:
        """Note a file that was sent."""
        self._sql.execute(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (file.name, file.sha256, file.size)
        )

    def files(self) -> Iterator[FileSource]:
        """Every file, by name."""
        for name, sha256, size in self._all("SELECT name, sha256, size FROM files ORDER BY name"):
            yield FileSource(name=name, sha256=sha256, size=size)

    # Pictures

    def add_picture(self, source: FileSource, path: str) -> bool:
        """Note a picture and its place without the names of zips; False if its name came before.

        A manifest means it by a name in either of Unicode's forms, since macOS sends decomposed
        ones and manifests are mostly written composed. Of two that differ in that alone, it means
        the composed one.
        """
        key = composed(source.name)
        held, own = self._picture(key), self._picture(source.name)
        if source.name in {one.name for one in (held, own) if one}:
            return False
        if held is not None and key != source.name:
            key = source.name
        elif held is not None:  # its name in another form came first
            self._sql.execute("UPDATE pictures SET key = ? WHERE key = ?", (held.name, key))
        facts = source.name, source.sha256, source.size, source.archive, source.member
        self._sql.execute(_ADD_PICTURE, (key, path, *facts))
        return True

    def picture(self, name: str) -> FileSource | None:
        """The picture that a manifest means by a name, if it came along."""
        return self._picture(composed(name))

    def mark_named(self, name: str) -> None:
        """Note that a manifest names a picture, so that it is no product of its own."""
        self._sql.execute("UPDATE pictures SET named = 1 WHERE key = ?", (composed(name),))

    def unnamed(self) -> Iterator[tuple[FileSource, str]]:
        """The pictures that no manifest names, each with its place, in the order they came."""
        for *facts, path in self._all(_UNNAMED):
            yield _source(facts), path

    # The rows of one manifest

    def row(self, sku: str) -> Row | None:
        """The row of a SKU, if there is one."""
        query = "SELECT number, sku, fields, images FROM rows WHERE sku = ?"
        found = self._sql.execute(query, (sku,)).fetchone()
        return _row(found) if found else None

    def put(self, row: Row) -> None:
        """Keep a row; instead of the one of its SKU, in whose place it then stands."""
        kept = row.sku, row.number, row.fields.model_dump_json(), json.dumps(row.images)
        self._sql.execute(_PUT_ROW, kept)

    def refuse(self, bad: BadRow) -> None:
        """Keep a row that is left out."""
        kept = bad.sku, bad.number, bad.sentence, json.dumps(bad.cells), json.dumps(bad.images)
        self._sql.execute(_REFUSE, kept)

    def rows(self) -> Iterator[Row]:
        """The rows in their order."""
        query = "SELECT number, sku, fields, images FROM rows ORDER BY place"
        return map(_row, self._all(query))

    def refused(self) -> Iterator[BadRow]:
        """The rows that are left out, in their order."""
        query = "SELECT number, sku, images, sentence, cells FROM refused ORDER BY place"
        for number, sku, images, sentence, cells in self._all(query):
            yield BadRow(number, sku, tuple(json.loads(images)), sentence, json.loads(cells))

    def forget_rows(self) -> None:
        """Forget the rows of the manifest that was read."""
        self._sql.execute("DELETE FROM rows")
        self._sql.execute("DELETE FROM refused")

    # The items so far

    def before(self, sku: str, position: int) -> int | None:
        """Note an item of a SKU; the position of the last one before it, if there was one."""
        ((found,),) = self._sql.execute(_ADD_ITEM, (sku, position)).fetchall()
        return None if found is None else int(found)

    def _picture(self, key: str) -> FileSource | None:
        found = self._sql.execute(_PICTURE, (key,)).fetchone()
        return _source(found) if found else None

    def _all(self, query: str) -> Iterator[tuple[Any, ...]]:
        with closing(self._sql.execute(query)) as cursor:
            while some := cursor.fetchmany(_AT_ONCE):
                yield from some


def _source(facts: tuple[Any, ...] | list[Any]) -> FileSource:
    name, sha256, size, archive, member = facts
    return FileSource(name=name, sha256=sha256, size=size, archive=archive, member=member)


def _row(facts: tuple[Any, ...]) -> Row:
    number, sku, fields, images = facts
    return Row(number, sku, ProductFields.model_validate_json(fields), tuple(json.loads(images)))
