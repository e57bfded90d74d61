"""Every row of every table as text, and back, on SQLite and PostgreSQL alike.

Tables are taken as the database has them, not as this version knows them, so that rows of an older
revision go into tables of that revision. A piece is JSON lines: the columns, then a row a line.
What JSON has no form for is an object of one key: a moment in UTC, a decimal number, bytes, or JSON
itself, so that a column's null and a null inside of it stay two things.
"""

from __future__ import annotations

import json
import warnings
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    MetaData,
    Select,
    Table,
    Text,
    cast,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import SAWarning

from backend.backup.archive import PIECE_BYTES
from backend.database import Database

VERSIONS = "alembic_version"
AT_ONCE = 500  # rows in one statement
LEFT_OUT = frozenset({"signing_keys", "login_failures", "replicas"})
"""Tables of what is of use here and now only. Signing keys are secret and made when one is missing;
so are logins, which `tokens` holds beside the keys of machines."""
TAKER_SECONDS = 600
"""The longest that whoever a backup is sent to may take over a piece of a table."""


@contextmanager
def snapshot(database: Database) -> Iterator[Connection]:
    """A connection that sees one state of all tables, whatever others write meanwhile."""
    with database.engine.connect() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("BEGIN")
        else:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        try:
            without_timeouts(connection, TAKER_SECONDS)
            yield connection
        finally:
            connection.rollback()


def without_timeouts(connection: Connection, between: int = 0) -> None:
    """Let the statements of the connection's transaction take as long as they need.

    between: the longest pause between two of them, in seconds, after which PostgreSQL ends the
    transaction: one that nobody goes on with keeps what was deleted since on its disk. 0: none.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        idle = text(f"SET LOCAL idle_in_transaction_session_timeout = '{between}s'")
        connection.execute(idle)


def tables_of(connection: Connection) -> list[Table]:
    """The tables that are there, those that others refer to first."""
    found = MetaData()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # of indexes over expressions, not wanted here
        found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != VERSIONS]


def holds_rows(connection: Connection) -> str | None:
    """The name of a table that is not empty, if there is one."""
    for table in tables_of(connection):
        if connection.execute(select(table).limit(1)).first() is not None:
            return str(table.name)
    return None


def pieces(connection: Connection, table: Table) -> Iterator[tuple[bytes, int]]:
    """A table's rows in pieces, each with how many it holds."""
    first = _line([column.name for column in table.columns])
    piece, count = bytearray(first), 0
    for row in _rows(connection, table):
        piece += _line([_told(value, column) for value, column in zip(row, table.c, strict=True)])
        count += 1
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece), count
            piece, count = bytearray(first), 0
    if count:
        yield bytes(piece), count


def _rows(connection: Connection, table: Table) -> Iterable[Sequence[Any]]:
    columns = [cast(c, Text) if isinstance(c.type, JSON) else c for c in table.columns]
    asked: Select[Any] = select(*columns).order_by(*table.primary_key.columns)
    if table.name == "tokens":
        asked = asked.where(table.c.kind != "login")
    rows = connection.execute(asked, execution_options={"yield_per": AT_ONCE})
    parent = next((key for key in table.foreign_keys if key.column.table is table), None)
    if parent is None:
        return rows
    names = [column.name for column in table.columns]
    return _parents_first(
        list(rows), names.index(parent.column.name), names.index(parent.parent.name)
    )


def _parents_first(rows: list[Sequence[Any]], key: int, parent: int) -> Iterator[Sequence[Any]]:
    told: set[Any] = {None}
    while rows:
        ready = [row for row in rows if row[parent] in told]
        yield from ready
        told |= {row[key] for row in ready}
        rows = [row for row in rows if row[key] not in told] if ready else []


def _line(values: list[Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _told(value: Any, column: Column[Any]) -> Any:
    if value is None:
        return None
    if isinstance(column.type, JSON):
        return {"json": value}
    match value:
        case datetime():
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return {"time": aware.astimezone(UTC).isoformat()}
        case Decimal():
            return {"decimal": str(value)}
        case bytes():
            return {"bytes": b64encode(value).decode()}
    return value


def _json(value: str) -> Any:
    found = json.loads(value)
    return JSON.NULL if found is None else found


_READ: dict[str, Callable[[str], Any]] = {
    "json": _json,
    "time": datetime.fromisoformat,
    "decimal": Decimal,
    "bytes": b64decode,
}


class Loader:
    """Writes pieces into tables, which are empty."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tables = {table.name: table for table in tables_of(connection)}
        is_sqlite = connection.dialect.name == "sqlite"
        kind = JSON(none_as_null=True) if is_sqlite else JSONB(none_as_null=True)
        for column in (column for table in self._tables.values() for column in table.columns):
            if isinstance(column.type, JSON):
                column.type = kind

    def add(self, name: str, piece: bytes) -> int:
        """Write a piece of the table `name`; how many rows it was.

        Raises KeyError, ValueError or TypeError for what does not fit, and SQLAlchemy's errors.
        """
        table = self._tables[name]
        columns, *lines = [json.loads(line) for line in piece.splitlines()]
        if set(columns) - {column.name for column in table.columns}:
            raise KeyError(columns)
        rows = [dict(zip(columns, map(_read, line), strict=True)) for line in lines]
        for start in range(0, len(rows), AT_ONCE):
            self._connection.execute(table.insert(), rows[start : start + AT_ONCE])
        return len(rows)

    def number_on(self) -> None:
        """Let the numbers that PostgreSQL gives begin after those that are taken."""
        if self._connection.dialect.name == "sqlite":
            return
        for table in self._tables.values():
            for column in table.primary_key.columns:
                asked = select(func.pg_get_serial_sequence(table.name, column.name))
                sequence = self._connection.scalar(asked)
                last = self._connection.scalar(select(func.max(column))) if sequence else None
                if last is not None:
                    self._connection.execute(select(func.setval(sequence, last)))


def _read(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, told),) = value.items()
    return _READ[kind](told)
