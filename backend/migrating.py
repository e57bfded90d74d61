"""Bring a database's tables to the shape this version of Akin needs, or say why not.

Embedded start-up calls `upgrade`; the server profile calls `check`, so that of several replicas
none migrates on its own: an operator runs `python -m backend.migrating` once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

import migrations
from backend.database import Database, open_database
from backend.errors import AkinError, SetupError
from backend.outages import OUTAGES, told
from backend.settings import read_settings

COMMAND = "python -m backend.migrating"
_LOCK = 0x616B696E  # "akin": one migration at a time on a PostgreSQL server

log = structlog.get_logger()


def upgrade(database: Database) -> None:
    """Bring the tables to this version; does nothing where they already are.

    Raises:
        SetupError: if a newer version of Akin wrote them.
    """
    with migration(database) as connection:
        if _is_behind(connection, database):
            command.upgrade(configuration(connection), "head")


def check(database: Database) -> None:
    """Refuse tables of another version.

    Raises:
        SetupError: with the command to run if they are older, and what to do if they are newer.
    """
    if is_behind(database):
        raise SetupError(
            f"The tables in {_shown(database)} are of an older version of Akin: stop every "
            f"Akin process, make a backup and run `{COMMAND}`."
        )


def is_behind(database: Database) -> bool:
    """Whether the tables are of an older version, or not there yet.

    Raises:
        SetupError: if a newer version of Akin wrote them.
    """
    with database.engine.connect() as connection:
        return _is_behind(connection, database)


def is_new(database: Database) -> bool:
    """Whether no version of Akin ever made tables there."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() is None


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's configuration, built in code so that no file has to be found."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    return config


@contextmanager
def migration(database: Database) -> Iterator[Connection]:
    """A connection in one transaction that is fit to change tables; all of it is kept or nothing.

    On SQLite foreign keys are off meanwhile, since a table is changed there by building it anew
    and dropping the old one, and with foreign keys on that deletes the rows that refer to it
    (tried: it emptied a child table). What they refer to is checked before the commit.

    Raises:
        SetupError: if rows would be left that refer to nothing.
    """
    with database.engine.connect() as connection:
        opened = _on_sqlite(connection) if database.is_sqlite else _on_server(connection)
        with opened:
            yield connection


@contextmanager
def _on_sqlite(connection: Connection) -> Iterator[None]:
    connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield
        _check_foreign_keys(connection)
        connection.commit()
    finally:
        connection.rollback()
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


@contextmanager
def _on_server(connection: Connection) -> Iterator[None]:
    with connection.begin():
        # Nor may the wait for another's migration be cut short.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield


def _check_foreign_keys(connection: Connection) -> None:
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if orphans:
        tables = ", ".join(sorted({row[0] for row in orphans}))
        raise SetupError(
            f"Changing the tables would leave {len(orphans)} rows of {tables} that refer to "
            "nothing, so nothing was changed: restore a backup or report this with the log."
        )


def _is_behind(connection: Connection, database: Database) -> bool:
    script = ScriptDirectory.from_config(configuration())
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {entry.revision for entry in script.walk_revisions()}:
        raise SetupError(
            f"The tables in {_shown(database)} are of a newer version of Akin ({current}): "
            "install that version, or start this one on another data folder with --home."
        )
    return current != script.get_current_head()


def _shown(database: Database) -> str:
    return make_url(database.url).render_as_string(hide_password=True)


def main() -> None:
    """Migrate the database of the settings: what `python -m backend.migrating` runs."""
    try:
        database = open_database(read_settings())
        upgrade(database)
    except OUTAGES as error:  # a full disk, say
        outage = told(error)
        if outage is None:
            raise
        raise SystemExit(outage.sentence) from error
    except AkinError as error:
        raise SystemExit(error.sentence) from error
    log.info("tables are up to date", database=_shown(database))


if __name__ == "__main__":
    main()
