"""An import before it runs: files are claimed by hash, sent once, and let go of when it is over."""

from __future__ import annotations

from random import Random

import pytest

from backend.catalogue import imports
from backend.database import Database
from backend.errors import Conflict, InvalidInput, NotFound, TooLarge
from backend.jobs.broker import Queue
from backend.jobs.tables import Job
from tests.backend.catalogue.importing import claim, claimed, opened, received, start
from tests.backend.catalogue.stock import product, sha


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
