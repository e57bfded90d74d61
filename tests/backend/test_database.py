"""The rules every transaction relies on, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from backend.catalogue.tables import Blob
from backend.database import (
    Database,
    FairLock,
    after_commit,
    open_database,
    take_as_long_as_needed,
)
from backend.errors import SetupError, Unavailable
from backend.outages import told
from backend.pool import Pool
from backend.settings import Settings
from tests import services

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def blob(sha256: str, **fields) -> Blob:
    facts = {"size": 0, "format": "png", "width": 1, "height": 1, "created_at": NOON} | fields
    return Blob(sha256=sha256, **facts)


def stored(database: Database) -> list[Blob]:
    with database.read() as session:
        return list(session.scalars(select(Blob)))


def in_threads(count: int, work: Callable[[], None]) -> None:
    with ThreadPoolExecutor(count) as pool:
        for future in [pool.submit(work) for _ in range(count)]:
            future.result()


def add_fifty(database: Database) -> None:
    for _ in range(50):
        with database.write() as session:
            session.get_one(Blob, "a", with_for_update=True).size += 1


def test_concurrent_read_modify_writes_lose_nothing(database: Database) -> None:
    with database.write() as session:
        session.add(blob("a"))
    in_threads(8, lambda: add_fifty(database))
    assert stored(database)[0].size == 8 * 50


def test_writers_in_two_processes_lose_nothing_either(database: Database) -> None:
    """Another process shares the file or server, and not the lock inside this process."""
    other = Database(database.url)
    with database.write() as session:
        session.add(blob("a"))
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(add_fifty, one) for one in (database, other)]:
            future.result()
    other.close()
    assert stored(database)[0].size == 2 * 50


def test_readers_see_one_state_while_writers_write(sqlite_database: Database) -> None:
    with sqlite_database.write() as session:
        session.add_all([blob("a"), blob("b")])
    with sqlite_database.read() as reader:
        before = reader.get_one(Blob, "a").size
        with sqlite_database.write() as session:
            session.get_one(Blob, "a").size = 7
            session.get_one(Blob, "b").size = 7
        after = reader.get_one(Blob, "b").size
    assert before == after == 0


def test_what_a_read_transaction_does_is_not_kept(database: Database) -> None:
    with database.read() as session:
        session.add(blob("a"))
        session.flush()
    assert stored(database) == []


def test_a_failing_transaction_leaves_nothing_and_calls_nothing(database: Database) -> None:
    called: list[str] = []

    def fail_half_way() -> None:
        with database.write() as session:
            after_commit(session, lambda: called.append("too early"))
            session.add(blob("a"))
            session.flush()
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        fail_half_way()
    assert stored(database) == []
    assert called == []
    with database.write() as session:
        session.add(blob("b"))
    assert [row.sha256 for row in stored(database)] == ["b"]


def test_after_commit_runs_once_the_rows_are_there_for_everybody(database: Database) -> None:
    seen: list[list[str]] = []
    with database.write() as session:
        after_commit(session, lambda: seen.append([row.sha256 for row in stored(database)]))
        session.add(blob("a"))
        session.flush()
        assert seen == []
    assert seen == [["a"]]


def test_after_commit_may_write_again(database: Database) -> None:
    def write_more() -> None:
        with database.write() as session:
            session.add(blob("b"))

    with database.write() as session:
        after_commit(session, write_more)
        session.add(blob("a"))

    assert {row.sha256 for row in stored(database)} == {"a", "b"}


def test_moments_come_back_aware_and_in_utc(database: Database) -> None:
    with database.write() as session:
        session.add(blob("a", created_at=NOON.astimezone(timezone(timedelta(hours=5)))))
    moment = stored(database)[0].created_at
    assert moment == NOON
    assert moment.utcoffset() == timedelta(0)


def test_the_lock_serves_in_the_order_of_coming() -> None:
    lock, served, waiting = FairLock(), [], []

    def wait_for_turn(number: int) -> None:
        with lock:
            served.append(number)

    with lock:
        for number in range(20):
            thread = threading.Thread(target=wait_for_turn, args=(number,))
            thread.start()
            waiting.append(thread)
            while len(lock._waiting) <= number:
                pass
    for thread in waiting:
        thread.join()
    assert served == list(range(20))


def test_a_server_that_does_not_answer_is_one_sentence_without_the_password() -> None:
    database = Database("postgresql://shop:secret@127.0.0.1:1/akin?connect_timeout=2")
    with pytest.raises(SetupError, match="cannot be reached: check AKIN_DATABASE_URL") as told:
        database.ping()
    assert "secret" not in told.value.sentence


def test_an_error_shows_no_values(database: Database) -> None:
    """It goes into the log, and one of a user's row would bring the password's hash along."""
    statement = text("INSERT INTO users (id, password_hash) VALUES (:id, :password_hash)")
    with pytest.raises(DBAPIError) as refused, database.write() as session:
        session.execute(statement, {"id": "1", "password_hash": "$argon2id$v=19$hash"})
    told_by_us = str(refused.value).replace(str(refused.value.orig), "")
    assert "INSERT INTO users" in told_by_us
    assert "argon2id" not in told_by_us


def test_text_is_folded_beyond_ascii(database: Database) -> None:
    with database.read() as session:
        assert session.scalar(select(func.lower("ÄRMEL"))) == "ärmel"


@pytest.mark.parametrize("url", ["garbage", "mysql://host/name", "sqlite"])
def test_a_url_of_another_database_is_refused(url: str) -> None:
    with pytest.raises(SetupError, match="AKIN_DATABASE_URL names no database Akin knows"):
        Database(url)


def test_an_emptied_log_holds_no_older_form_of_a_row(sqlite_database: Database) -> None:
    with sqlite_database.write() as session:
        session.add(blob("a" * 64))
    with sqlite_database.write() as session:
        session.execute(text("DELETE FROM blobs"))
    path = Path(sqlite_database.url.removeprefix("sqlite:///"))
    log = path.with_name(f"{path.name}-wal")
    assert b"a" * 64 in log.read_bytes()
    assert sqlite_database.empty_log()
    assert log.read_bytes() == b""
    assert b"a" * 64 not in path.read_bytes()


def test_a_log_that_somebody_reads_is_left_and_not_waited_for(sqlite_database: Database) -> None:
    with sqlite_database.write() as session:
        session.add(blob("a" * 64))
    with sqlite_database.read() as reader:
        reader.execute(text("SELECT * FROM blobs"))
        with sqlite_database.write() as session:
            session.execute(text("DELETE FROM blobs"))
        assert not sqlite_database.empty_log()
    assert sqlite_database.empty_log()


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "akin.sqlite3").write_text("not a database at all" * 100)
    with pytest.raises(Unavailable, match="is damaged: stop Akin and restore it from a backup"):
        Database(f"sqlite:///{tmp_path}/akin.sqlite3").ping()


# --- connections to PostgreSQL


@contextmanager
def pooled(url: str, **settings: Any) -> Iterator[Database]:
    database = Database(url, Pool(**settings))
    yield database
    database.close()


def sleep(database: Database, seconds: float, *, unhurried: bool = False) -> None:
    with database.read() as session:
        if unhurried:
            take_as_long_as_needed(session)
        session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})


def test_the_settings_say_how_connections_are_kept(postgres_url: str) -> None:
    settings = Settings(
        database_url=postgres_url, database_pool_size=3, database_statement_seconds=7
    )
    with closing(open_database(settings)) as database, database.read() as session:
        assert session.scalar(text("SHOW statement_timeout")) == "7s"
        assert database.engine.pool.size() == 3  # type: ignore[attr-defined]


def test_a_statement_that_takes_too_long_is_cut_off_unless_it_may(postgres_url: str) -> None:
    with pooled(postgres_url, statement_seconds=0.2) as database:
        with pytest.raises(DBAPIError) as cut:
            sleep(database, 5)
        assert "raise AKIN_DATABASE_STATEMENT_SECONDS" in str(told(cut.value))
        sleep(database, 0.4, unhurried=True)
        with pytest.raises(DBAPIError):  # the next transaction is bounded again
            sleep(database, 5)


def test_options_that_the_url_gives_the_server_stay(postgres_url: str) -> None:
    url = f"{postgres_url}?options=-c%20search_path%3Dshop%20-c%20work_mem%3D8MB"
    with pooled(url, statement_seconds=7) as database, database.read() as session:
        shown = [session.scalar(text(f"SHOW {name}")) for name in SHOWN]
    assert shown == ["shop", "8MB", "7s"]


SHOWN = ("search_path", "work_mem", "statement_timeout")


def test_there_is_no_bound_but_the_one_that_is_set(postgres_url: str) -> None:
    with pooled(postgres_url) as database, database.read() as session:
        assert session.scalar(text("SHOW statement_timeout")) == "0"


def test_who_finds_no_free_connection_is_told_that_the_database_is_busy(postgres_url: str) -> None:
    with pooled(postgres_url, size=1, overflow=0, wait=0.1) as database:
        held = database.engine.connect()
        with pytest.raises(PoolTimeout) as full:
            database.ping()
        held.close()
    assert "busy with others" in str(told(full.value))


def test_a_connection_that_the_server_dropped_is_replaced_unseen(postgres_url: str) -> None:
    for pre_ping in (True, False):
        with pooled(postgres_url, size=1, pre_ping=pre_ping) as database:
            with database.read() as session:
                process = session.scalar(text("SELECT pg_backend_pid()"))
            with psycopg.connect(services.postgres_url(), autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [process])
            if pre_ping:
                database.ping()
            else:
                with pytest.raises(SetupError, match="cannot be reached"):
                    database.ping()
