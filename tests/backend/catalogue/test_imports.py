"""An import before it runs: files are claimed by hash, sent once, and let go of when it is over."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from backend.blobs import BlobStore
from backend.catalogue import imports
from backend.catalogue.schemas import FileClaim, ImportCreate
from backend.database import Database
from backend.errors import Conflict, InvalidInput, NotFound, TooLarge
from backend.jobs import lease
from backend.jobs import service as jobs
from backend.jobs.broker import Queue
from backend.jobs.tables import Job
from tests.backend.catalogue.stock import product, sha
from tests.conftest import MovableClock

MOST = 1000
WEEK = 7 * 24 * 3600


def claim(name: str, number: int, size: int = 10) -> FileClaim:
    return FileClaim(name=name, sha256=sha(number), size=size)


def opened(database: Database, queue: Queue, **request) -> str:
    with database.write() as session:
        return imports.open_import(session, queue, ImportCreate(**request), "ann").id


def claimed(database: Database, job_id: str, *claims: FileClaim) -> list[str]:
    with database.write() as session:
        return imports.claim_files(session, job_id, claims, MOST)


def received(database: Database, job_id: str, *numbers: int) -> None:
    with database.write() as session:
        imports.mark_received(session, job_id, [sha(number) for number in numbers])


def start(database: Database, queue: Queue, job_id: str) -> None:
    with database.write() as session:
        imports.start(session, queue, job_id)


def test_an_import_is_a_job_that_collects(database: Database, queue: Queue) -> None:
    job_id = opened(database, queue, category="dress", on_conflict="skip")
    with database.read() as session:
        job = session.get_one(Job, job_id)
    assert (job.kind, job.state, job.actor) == ("ingest", "collecting", "ann")
    assert job.parameters == {
        "category": "dress",
        "split": None,
        "on_conflict": "skip",
        "columns": {},
        "ignored_columns": [],
        "currency": None,
        "encoding": None,
    }
    assert queue.waiting("ingest") == 0


def test_only_what_is_neither_sent_nor_known_is_wanted(database: Database, queue: Queue) -> None:
    with database.write() as session:
        product(session, "TEE", 1)
    job_id = opened(database, queue)
    files = [claim("a.jpg", 1), claim("b.jpg", 2), claim("c.jpg", 3), claim("again/c.jpg", 3)]
    assert claimed(database, job_id, *files) == [sha(2), sha(3)]
    received(database, job_id, 2)
    assert claimed(database, job_id, *files) == [sha(3)]
    with database.read() as session:
        names = sorted(file.name for file in imports.files_of(session, job_id))
    assert names == ["a.jpg", "again/c.jpg", "b.jpg", "c.jpg"]


def test_a_file_that_changed_is_wanted_again(database: Database, queue: Queue) -> None:
    job_id = opened(database, queue)
    claimed(database, job_id, claim("a.jpg", 1))
    received(database, job_id, 1)
    assert claimed(database, job_id, claim("a.jpg", 2)) == [sha(2)]
    with database.read() as session:
        assert [file.sha256 for file in imports.files_of(session, job_id)] == [sha(2)]


def test_claims_that_are_refused(database: Database, queue: Queue) -> None:
    job_id = opened(database, queue)
    with pytest.raises(
        InvalidInput, match=r"'\.\./a\.jpg' is not a relative path inside the import"
    ):
        claimed(database, job_id, claim("../a.jpg", 1))
    with pytest.raises(TooLarge, match=r"^a\.zip has 1,001 bytes, and 1,000 are allowed"):
        claimed(database, job_id, claim("a.zip", 1, 1001))
    with pytest.raises(NotFound, match="There is no import nothing: open one first"):
        claimed(database, "nothing", claim("a.jpg", 1))


@pytest.mark.parametrize(("least", "most", "size"), [(0x4E00, 0x9FFF, 3), (0x20000, 0x2A6DF, 4)])
def test_the_longest_names_can_be_claimed(
    database: Database, queue: Queue, least: int, most: int, size: int
) -> None:
    """Of characters in no order, since PostgreSQL packs what repeats before it weighs a name."""
    job_id = opened(database, queue)
    random = Random(7)
    name = "".join(chr(random.randrange(least, most)) for _ in range(1000))
    assert claimed(database, job_id, claim(name[: 2500 // size], 1)) == [sha(1)]
    told = rf"has {1000 * size:,} bytes as UTF-8, and 2,500 are allowed: shorten it\."
    with pytest.raises(InvalidInput, match=told):
        claimed(database, job_id, claim(name, 1))


def test_an_import_starts_with_all_its_files_and_only_once(
    database: Database, queue: Queue
) -> None:
    job_id = opened(database, queue)
    with pytest.raises(Conflict, match="holds no files: claim and send some, then start it"):
        start(database, queue, job_id)
    claimed(database, job_id, claim("b.jpg", 1), claim("a.jpg", 2))
    with pytest.raises(Conflict, match=r"lacks the bytes of 2 files, first a\.jpg: send what is"):
        start(database, queue, job_id)
    received(database, job_id, 1, 2)
    start(database, queue, job_id)
    assert queue.waiting("ingest") == 1
    with pytest.raises(Conflict, match="is queued and takes no more files: open another"):
        start(database, queue, job_id)
    with pytest.raises(Conflict, match="is queued and takes no more files: open another"):
        claimed(database, job_id, claim("c.jpg", 3))


def test_bytes_nobody_claimed_are_not_taken(database: Database, queue: Queue) -> None:
    job_id = opened(database, queue)
    claimed(database, job_id, claim("a.jpg", 1))
    with database.read() as session:
        imports.check_claimed(session, job_id, sha(1))
        with pytest.raises(NotFound, match=f"has not been told of a file .* {sha(2)}: claim it"):
            imports.check_claimed(session, job_id, sha(2))


# Letting go of staged files


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


# At the same moment, which only PostgreSQL allows


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
