"""The files of imports: kept as long as one needs them, and then let go of."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from backend.blobs import BlobStore
from backend.catalogue import imports
from backend.catalogue.schemas import FileClaim
from backend.database import Database
from backend.errors import Conflict
from backend.jobs import lease
from backend.jobs import service as jobs
from backend.jobs.broker import Queue
from backend.jobs.tables import Job
from tests.backend.catalogue.importing import MOST, claim, claimed, opened, received, start
from tests.conftest import MovableClock

WEEK = 7 * 24 * 3600


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore((tmp_path / "blobs").as_uri())


def staged_import(database: Database, queue: Queue, blobs: BlobStore, data: bytes) -> str:
    """A started import of one file."""
    sha256 = hashlib.sha256(data).hexdigest()
    blobs.stage(sha256, [data], MOST)
    job_id = opened(database, queue)
    claimed(database, job_id, FileClaim(name="a.jpg", sha256=sha256, size=len(data)))
    with database.write() as session:
        imports.mark_received(session, job_id, [sha256])
    start(database, queue, job_id)
    return job_id


def release(database: Database, blobs: BlobStore, ending: str | None = None) -> None:
    with database.write() as session:
        assert imports.release_staged(session, blobs, ending) is False


def is_staged(blobs: BlobStore, data: bytes) -> bool:
    return blobs.staged(hashlib.sha256(data).hexdigest())


def test_files_go_when_the_last_import_that_needs_them_is_over(
    database: Database, queue: Queue, blobs: BlobStore
) -> None:
    one = staged_import(database, queue, blobs, b"shared")
    two = staged_import(database, queue, blobs, b"shared")
    release(database, blobs)
    assert is_staged(blobs, b"shared")
    release(database, blobs, ending=one)
    assert is_staged(blobs, b"shared")
    with database.write() as session:
        jobs.cancel(session, two)
    release(database, blobs)
    assert not is_staged(blobs, b"shared")


def test_a_failed_import_keeps_its_files_for_a_week(
    database: Database, queue: Queue, blobs: BlobStore, clock: MovableClock
) -> None:
    job_id = staged_import(database, queue, blobs, b"bytes")
    with database.write() as session:
        lease.claim(session, job_id, "test")
        lease.fail(session.get_one(Job, job_id), "a reason")
    clock.advance(WEEK - 1)
    release(database, blobs)
    assert is_staged(blobs, b"bytes")
    clock.advance(2)
    release(database, blobs)
    assert not is_staged(blobs, b"bytes")


NOT_KEPT = r"^The files of this import are not kept any more: import them again\.$"


def retry(database: Database, queue: Queue, job_id: str) -> str:
    with database.write() as session:
        return jobs.retry(session, queue, job_id).state


def test_a_cancelled_import_some_of_whose_files_went_is_not_retried(
    database: Database, queue: Queue, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retry would import the rest, and say no word of those that went."""
    monkeypatch.setattr(imports, "RELEASED_AT_ONCE", 1)
    job_id = opened(database, queue)
    claimed(database, job_id, claim("a.jpg", 1), claim("b.jpg", 2))
    received(database, job_id, 1, 2)
    start(database, queue, job_id)
    with database.write() as session:
        jobs.cancel(session, job_id)
    assert retry(database, queue, job_id) == "queued"
    with database.write() as session:
        jobs.cancel(session, job_id)
        assert imports.release_staged(session, blobs) is True
    with database.read() as session:
        assert len(list(imports.files_of(session, job_id))) == 1
        assert jobs.to_schema(session.get_one(Job, job_id)).result == {}
    with pytest.raises(Conflict, match=NOT_KEPT):
        retry(database, queue, job_id)


def test_a_cancelled_import_that_knows_its_items_is_retried_without_its_files(
    database: Database, queue: Queue, blobs: BlobStore
) -> None:
    """Each item whose bytes are gone says so."""
    job_id = staged_import(database, queue, blobs, b"bytes")
    with database.write() as session:
        session.get_one(Job, job_id).total = 1
        jobs.cancel(session, job_id)
    release(database, blobs)
    assert retry(database, queue, job_id) == "queued"


@pytest.mark.parametrize("total", [None, 1])
def test_a_failed_import_is_retried_for_a_week(
    database: Database, queue: Queue, blobs: BlobStore, clock: MovableClock, total: int | None
) -> None:
    job_id = staged_import(database, queue, blobs, b"bytes")
    for seconds in (WEEK - 1, WEEK + 1):
        with database.write() as session:
            lease.claim(session, job_id, "test")
            session.get_one(Job, job_id).total = total
            lease.fail(session.get_one(Job, job_id), "a reason")
        clock.advance(seconds)
        release(database, blobs)
        if seconds < WEEK:
            assert retry(database, queue, job_id) == "queued"
    with pytest.raises(Conflict, match=NOT_KEPT):
        retry(database, queue, job_id)


WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database()"""


def waits(database: Database, other: Future[Any]) -> bool:
    """Whether the other comes to wait for a lock of ours; not, if it ends before."""
    while not other.done():
        with database.read() as session:
            if session.scalar(text(WAITING)):
                return True
        time.sleep(0.02)
    return False


@pytest.mark.services
@pytest.mark.parametrize("single", [False, True])
def test_staged_bytes_do_not_go_after_a_claim_was_told_that_they_are_there(
    postgres_database: Database,
    queue: Queue,
    blobs: BlobStore,
    monkeypatch: pytest.MonkeyPatch,
    single: bool,
) -> None:
    database, sha256 = postgres_database, hashlib.sha256(b"bytes").hexdigest()
    first = staged_import(database, queue, blobs, b"bytes")
    with database.write() as session:
        jobs.cancel(session, first)
    second = opened(database, queue)
    unstage = blobs.unstage
    told: list[Future[bool]] = []

    def ask() -> bool:
        claimed(database, second, FileClaim(name="b.jpg", sha256=sha256, size=5))
        return blobs.staged(sha256)

    def ask_just_before(name: str) -> None:
        told.append(pool.submit(ask))
        waits(database, told[0])
        unstage(name)

    monkeypatch.setattr(blobs, "unstage", ask_just_before)
    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            if single:
                imports.unstage_unclaimed(session, blobs, [sha256])
            else:
                imports.release_staged(session, blobs)
        assert told[0].result(60) == blobs.staged(sha256)


@pytest.mark.services
def test_the_files_of_an_import_that_is_retried_at_this_moment_stay(
    postgres_database: Database, queue: Queue, blobs: BlobStore
) -> None:
    database = postgres_database
    job_id = staged_import(database, queue, blobs, b"bytes")
    with database.write() as session:
        jobs.cancel(session, job_id)
    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            jobs.retry(session, queue, job_id)
            session.flush()
            releasing = pool.submit(release, database, blobs)
            assert waits(database, releasing)
        releasing.result(60)
    assert is_staged(blobs, b"bytes")
    with database.read() as session:
        assert len(list(imports.files_of(session, job_id))) == 1


def test_an_import_that_nothing_comes_for_is_cancelled_after_a_week(
    database: Database, queue: Queue, blobs: BlobStore, clock: MovableClock
) -> None:
    sha256 = hashlib.sha256(b"bytes").hexdigest()
    blobs.stage(sha256, [b"bytes"], MOST)
    job_id = opened(database, queue)
    clock.advance(WEEK)
    claimed(database, job_id, FileClaim(name="a.jpg", sha256=sha256, size=5))
    clock.advance(WEEK)
    with database.write() as session:
        imports.mark_received(session, job_id, [sha256])
    clock.advance(WEEK)
    release(database, blobs)
    assert is_staged(blobs, b"bytes")
    clock.advance(1)
    release(database, blobs)
    assert not is_staged(blobs, b"bytes")
    with database.read() as session:
        job = session.get_one(Job, job_id)
        assert list(imports.files_of(session, job_id)) == []
    assert (job.state, job.finished_at) == ("cancelled", clock.now())
    assert job.error == (
        "Nothing came for this import for a week, so it was cancelled: send its files anew."
    )


def test_an_import_that_was_started_is_never_abandoned(
    database: Database, queue: Queue, blobs: BlobStore, clock: MovableClock
) -> None:
    job_id = staged_import(database, queue, blobs, b"bytes")
    clock.advance(2 * WEEK)
    release(database, blobs)
    assert is_staged(blobs, b"bytes")
    with database.read() as session:
        job = session.get_one(Job, job_id)
    assert (job.state, job.lease_until) == ("queued", None)
