"""SQL sessions: who begins a unit of work owns its transaction; services never commit.

SQLite needs its own rules (measured: the driver's implicit transactions lose updates, plain BEGIN
gives instant "database is locked"): autocommit driver, explicit BEGIN for reads, BEGIN IMMEDIATE
behind one fair lock for writes. PostgreSQL uses its ordinary transactions.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, DateTime, Dialect, Engine, MetaData, create_engine, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from backend.errors import SetupError
from backend.outages import told
from backend.pool import Pool

if TYPE_CHECKING:
    from backend.settings import Settings

_NO_URL = (
    "AKIN_DATABASE_URL names no database Akin knows: write postgresql://user@host/name, or leave "
    "it away for SQLite in the data folder."
)

_BUSY_MS = 30_000
# With secure_delete rows that are deleted are written over, whatever SQLite was built with.
_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON")

Json = JSON().with_variant(JSONB(), "postgresql")


class Base(DeclarativeBase):
    """Base of every table; constraint names are fixed so that migrations can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Moment(TypeDecorator[datetime]):
    """A UTC time that comes back aware of its zone on every database (SQLite forgets it)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class FairLock:
    """A lock that serves threads in the order they came, so that no writer starves."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._held = False

    def __enter__(self) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False


class Database:
    """An engine with read and write transactions.

    Raises:
        SetupError: if the URL is not one of SQLite or PostgreSQL.
    """

    def __init__(self, url: str, pool: Pool | None = None) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        try:
            self.engine = (
                _sqlite_engine(url) if self.is_sqlite else _server_engine(url, pool or Pool())
            )
        except ArgumentError as error:
            raise SetupError(_NO_URL) from error
        self._writers = FairLock()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that sees one state of the data; nothing it does is kept."""
        with Session(self.engine, autoflush=False) as session:
            if self.is_sqlite:
                session.execute(text("BEGIN"))
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that commits at the end, then runs what `after_commit` collected.

        Nothing slow belongs inside: on SQLite every other writer waits.
        """
        with self._writers if self.is_sqlite else nullcontext(), Session(self.engine) as session:
            if self.is_sqlite:
                session.execute(text("BEGIN IMMEDIATE"))
            yield session
            session.commit()
            callbacks: list[Callable[[], None]] = session.info.pop("after_commit", [])
        for callback in callbacks:
            callback()

    def ping(self) -> None:
        """Ask the database for a one.

        Raises:
            SetupError: if it does not answer.
            Unavailable: if it is a file that cannot be used: a full disk, a read-only folder.
        """
        try:
            with self.read() as session:
                session.execute(text("SELECT 1"))
        except DBAPIError as error:
            if self.is_sqlite and (outage := told(error)):
                raise outage from error
            shown = make_url(self.url).render_as_string(hide_password=True)
            raise SetupError(
                f"The database {shown} cannot be reached: check AKIN_DATABASE_URL and that the "
                f"server runs ({str(error.orig).strip().splitlines()[0]})."
            ) from error

    def empty_log(self) -> bool:
        """Bring SQLite's log of writes into its file and empty it, so that no older form of a page
        is left there; False where a reader or writer is in the way, which is not waited for."""
        if not self.is_sqlite:
            return True
        with self.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=0")
            try:
                busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={_BUSY_MS}")
        return not busy

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


def open_database(settings: Settings) -> Database:
    """The database that the settings name, which answers, with their pool and limits.

    Raises:
        SetupError: if it does not answer, or the URL is of none.
        Unavailable: if it is a file that cannot be used.
    """
    database = Database(settings.sql_url, settings.database_pool)
    try:
        database.ping()
    except BaseException:
        database.close()
        raise
    return database


def after_commit(session: Session, callback: Callable[[], None]) -> None:
    """Run `callback` once the session's transaction is committed; never if it is not."""
    session.info.setdefault("after_commit", []).append(callback)


def take_as_long_as_needed(session: Session) -> None:
    """No limit to the statements of this transaction: where one may honestly touch every row."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET LOCAL statement_timeout = 0"))


def _sqlite_engine(url: str) -> Engine:
    path = make_url(url).database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        hide_parameters=True,  # its errors are logged, and a password's hash is among parameters
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": _BUSY_MS / 1000, "check_same_thread": False},
        pool_size=32,
        max_overflow=32,
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        # SQLite's own folds ASCII only, and "ärmel" should find "Ärmel".
        connection.create_function("lower", 1, _lower, deterministic=True)

    return engine


def _lower(value: Any) -> str | None:
    return None if value is None else str(value).lower()


def _server_engine(url: str, pool: Pool) -> Engine:
    address = make_url(url)
    if address.get_backend_name() not in {"postgres", "postgresql"}:
        raise SetupError(_NO_URL)
    engine = create_engine(
        address.set(drivername="postgresql+psycopg"),
        pool_size=pool.size,
        max_overflow=pool.overflow,
        pool_timeout=pool.wait,
        pool_recycle=pool.recycle,
        pool_pre_ping=pool.pre_ping,
        hide_parameters=True,
    )
    if longest := round(1000 * pool.statement_seconds):

        @event.listens_for(engine, "connect")
        def _limit(connection: Any, _record: object) -> None:
            # Not as an option of the connection: that would take the place of the URL's own.
            connection.execute(f"SET statement_timeout = {longest}")
            connection.commit()

    return engine
