"""How a database answers: which large tables a statement reads whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from backend.database import Database

LARGE = (
    "products",
    "images",
    "blobs",
    "embeddings",
    "attribute_values",
    "product_values",
    "job_items",
    "import_files",
    "audit_log",
)
"""Tables that grow with the catalogue, and with every change of it."""

_WHOLE = {
    "sqlite": re.compile(rf"SCAN ({'|'.join(LARGE)})\b"),
    "postgresql": re.compile(rf"Seq Scan on ({'|'.join(LARGE)})\b"),
}

Statement = tuple[str, Any]


@contextmanager
def recorded(database: Database) -> Iterator[list[Statement]]:
    """The statements sent meanwhile, each once, with the parameters of the first time."""
    sent: dict[str, Any] = {}

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        sent.setdefault(statement, parameters[0] if isinstance(parameters, list) else parameters)

    found: list[Statement] = []
    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
        found += sent.items()


def asked(database: Database, question: Callable[[Session], object]) -> list[Statement]:
    """The statements that a question comes to; what it changes is not kept."""
    with recorded(database) as statements, database.write() as session:
        question(session)
        session.flush()
        session.rollback()
        session.info.clear()
    return statements


def read_whole(database: Database, statements: list[Statement]) -> dict[str, str]:
    """The large tables that these statements read from one end to the other, with one of them.

    PostgreSQL is asked for plans without such reading, so that small tables tell of large ones;
    it falls back on it only where no index serves.
    """
    whole: dict[str, str] = {}
    with database.engine.connect() as connection:
        dialect = connection.dialect.name
        explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
        if not database.is_sqlite:
            connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, parameters in statements:
            if re.match(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b", statement):
                rows = connection.exec_driver_sql(explain + statement, parameters)
                plan = "\n".join(str(row[-1]) for row in rows)
                whole |= dict.fromkeys(_WHOLE[dialect].findall(plan), statement)
        if not database.is_sqlite:
            connection.exec_driver_sql("SET enable_seqscan = on")
    return whole
