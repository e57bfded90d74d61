"""What many tests stand on: migrated databases, the in-memory queue, a clock that can be moved."""

from __future__ import annotations

import gc
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import structlog
import typer.main
import typer.testing
from argon2 import PasswordHasher
from sqlalchemy import delete
from sqlalchemy.engine import make_url

from backend import clock as backend_clock
from backend.accounts import passwords
from backend.blobs import BlobStore
from backend.database import Base, Database
from backend.gallery.opening import open_store
from backend.jobs.broker import QUEUES, Queue
from backend.migrating import upgrade
from backend.runtime import Runtime
from backend.settings import Settings
from tests import services
from tests.buckets import bucket, s3_blobs, s3_credentials, s3_url
from tests.decoders import end_decoders, share_decoder

__all__ = ["bucket", "s3_blobs", "s3_credentials", "s3_url"]

# Nothing configures the log in a test: its lines would be among what commands print, and each
# traceback would take seconds, as Rich draws it with every variable.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ],
    logger_factory=structlog.PrintLoggerFactory(sys.stderr),
)


gc.disable()  # until everything is imported


LONGEST = ("tests/end_to_end", "tests/ui", "tests/deployment", "tests/benchmarks", "tests/workers")
"""Where files take longest, mostly waiting for processes of their own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with those, or one process is still at them when the others have nothing left."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what was imported, and look less often: torch and
    all the tests are some 640,000 objects, and it took a seventh of the suite's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    gc.enable()


def pytest_unconfigure() -> None:
    """Let what was frozen be collected as ever, or triton calls it leaked."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def one_command_line() -> Iterator[None]:
    """Typer reads the signatures of all commands at each call; here once for each app."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", cache(typer.main.get_command))
        yield


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Argon2id at its least, as hundreds of passwords are hashed; processes of their own have it
    whole, and so has the test of its parameters."""
    with pytest.MonkeyPatch.context() as patch:
        least = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr(passwords, "_hasher", least)
        yield


class MovableClock:
    """Stands in for the wall clock: stands still until it is told to move."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        """Move by so many seconds; backwards if negative."""
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovableClock:
    """A wall clock in the test's hand; `backend.clock.now()` reads it."""
    movable = MovableClock()
    monkeypatch.setattr(backend_clock, "now", movable.now)
    return movable


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy from."""
    path = tmp_path_factory.mktemp("template") / "akin.sqlite3"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    database.close()
    return path


@pytest.fixture
def sqlite_database(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Database]:
    """A fresh, migrated SQLite database in a file of its own."""
    path = tmp_path / "akin.sqlite3"
    shutil.copy(migrated_sqlite, path)
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


@contextmanager
def scratch_postgres() -> Iterator[str]:
    """The URL of an empty database on a real PostgreSQL; dropped at the end."""
    name = f"akin_test_{uuid4().hex[:12]}"
    with psycopg.connect(services.postgres_url(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        server.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")  # quick, not durable
        url = make_url(services.postgres_url()).set(database=name)
        try:
            yield url.render_as_string(hide_password=False)
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A scratch database for the whole session."""
    with scratch_postgres() as url:
        yield url


@pytest.fixture
def scratch_postgres_url() -> Iterator[str]:
    """A scratch database for one test, without any table."""
    with scratch_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def migrated_postgres(postgres_url: str) -> Iterator[Database]:
    """A migrated PostgreSQL database; tests use `postgres_database`, which empties it first."""
    database = Database(postgres_url)
    upgrade(database)
    yield database
    database.close()


@pytest.fixture
def postgres_database(migrated_postgres: Database) -> Database:
    """An empty, migrated PostgreSQL database."""
    empty(migrated_postgres)
    return migrated_postgres


def empty(database: Database) -> None:
    """Delete every row of a PostgreSQL database: much faster than TRUNCATE on small tables, and
    in one statement much faster than table by table."""
    with database.write() as session:
        connection = session.connection()
        if connection.exec_driver_sql("SELECT EXISTS (SELECT FROM audit_log)").scalar():
            # Only the tables' owner can, and only so: nothing is deleted from the audit log.
            connection.exec_driver_sql(
                "ALTER TABLE audit_log DISABLE TRIGGER USER; DELETE FROM audit_log; "
                "ALTER TABLE audit_log ENABLE TRIGGER USER"
            )
        deletes = [str(delete(table)) for table in reversed(Base.metadata.sorted_tables)]
        connection.exec_driver_sql("; ".join(deletes))


@pytest.fixture(
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)],
)
def database(request: pytest.FixtureRequest) -> Database:
    """An empty, migrated database: the test runs once on SQLite and once on PostgreSQL."""
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found


@pytest.fixture
def queue() -> Iterator[Queue]:
    """The in-process queue, empty."""
    opened = Queue("memory://")
    with opened.app.connection_for_write() as connection:
        for name in QUEUES:
            opened.app.amqp.queues[name](connection.default_channel).declare()
            opened.app.amqp.queues[name](connection.default_channel).purge()
    yield opened
    opened.close()


@pytest.fixture(scope="session", autouse=True)
def shared_decoders() -> Iterator[None]:
    """Their children are started once and not for each test."""
    yield
    end_decoders()


@pytest.fixture
def runtime(sqlite_database: Database, queue: Queue, tmp_path: Path) -> Iterator[Runtime]:
    """What one embedded process holds open, in a folder of its own."""
    opened = Runtime(
        settings=Settings(home=tmp_path),
        database=sqlite_database,
        blobs=BlobStore((tmp_path / "blobs").as_uri()),
        galleries=open_store("edge", tmp_path / "galleries"),
        queue=queue,
    )
    yield share_decoder(opened)
    opened.close()
