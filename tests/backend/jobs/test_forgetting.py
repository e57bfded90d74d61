"""What reports of jobs say of a product goes with it, and every count stays what it was."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import text

from backend.database import Database
from backend.jobs import forgetting, service
from backend.jobs.broker import Queue
from backend.jobs.lease import locked
from backend.jobs.tables import Job, JobItem

TRIPLETS = [
    {"reference": "TEE", "words": "in red", "target": "HAT", "rank_a": 9.0, "rank_b": 1.0},
    {"reference": "CAP", "words": "in blue", "target": "HAT", "rank_a": 8.0, "rank_b": 1.0},
]


def job(database: Database, queue: Queue, state: str, **fields) -> str:
    with database.write() as session:
        made = service.create(session, queue, **{"kind": "ingest", "actor": "ann"} | fields)
        made.state = state
        return made.id


def add(database: Database, job_id: str, *lines: tuple[str, str, str | None]) -> None:
    """Lines of a report: state, SKU and reason."""
    with database.write() as session:
        for position, (state, sku, reason) in enumerate(lines):
            session.add(
                JobItem(
                    job_id=job_id,
                    position=position,
                    name=f"shop.csv, row {position} ({sku})",
                    payload={"row": {"sku": sku}},
                    state=state,
                    reason=reason,
                    sku=sku,
                )
            )


def forget(database: Database, *skus: str) -> None:
    with database.write() as session:
        forgetting.forget_products(session, skus)


def lines(database: Database, job_id: str) -> list[tuple[str, str, str | None]]:
    with database.read() as session:
        items = service.items(session, job_id).items
        return [(item.state, item.name, item.reason) for item in items]


def test_a_line_keeps_its_state_and_loses_its_words(database: Database, queue: Queue) -> None:
    job_id = job(database, queue, "done")
    add(database, job_id, ("done", "TEE", None), ("failed", "TEE", "TEE has no price."))
    add_other = ("done", "CAP", None)
    other = job(database, queue, "done")
    add(database, other, add_other)
    forget(database, "TEE")
    assert lines(database, job_id) == [
        ("done", "(deleted)", None),
        ("failed", "(deleted)", "The product that this line was about has been deleted."),
    ]
    assert lines(database, other) == [("done", "shop.csv, row 0 (CAP)", None)]
    with database.read() as session:
        item = session.get_one(JobItem, (job_id, 0))
        assert (item.payload, item.sku) == ({}, None)


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_line_that_waits_for_a_retry_counts_as_skipped(
    database: Database, queue: Queue, state: str
) -> None:
    job_id = job(database, queue, state)
    add(database, job_id, ("done", "CAP", None), ("pending", "TEE", None), ("pending", "HAT", None))
    with database.write() as session:
        session.get_one(Job, job_id).done = 1
    forget(database, "TEE")
    assert [line[0] for line in lines(database, job_id)] == ["done", "done", "pending"]
    with database.read() as session:
        assert session.get_one(JobItem, (job_id, 1)).outcome == "skipped"
        assert session.get_one(Job, job_id).done == 2


def test_an_import_that_goes_on_still_makes_its_product(database: Database, queue: Queue) -> None:
    job_id = job(database, queue, "running")
    add(database, job_id, ("pending", "TEE", None))
    forget(database, "TEE")
    assert lines(database, job_id) == [("pending", "shop.csv, row 0 (TEE)", None)]


def test_comparisons_of_versions_lose_their_examples_of_it(
    database: Database, queue: Queue
) -> None:
    job_id = job(database, queue, "done", kind="compare")
    with database.write() as session:
        result = {"triplets": 2, "gains": TRIPLETS, "drops": []}
        session.get_one(Job, job_id).result = result
    forget(database, "TEE")
    with database.read() as session:
        left = session.get_one(Job, job_id).result
    assert left == {"triplets": 2, "gains": TRIPLETS[1:], "drops": []}


WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database()"""


def wait_for(database: Database, other: Future[None]) -> None:
    """Until the other waits for a lock of ours, or is through without."""
    while not other.done():
        with database.read() as session:
            if session.scalar(text(WAITING)):
                return
        time.sleep(0.02)


@pytest.mark.services
def test_two_who_delete_at_once_both_take_their_examples_out_of_a_comparison(
    postgres_database: Database, queue: Queue
) -> None:
    database = postgres_database
    job_id = job(database, queue, "done", kind="compare")
    with database.write() as session:
        session.get_one(Job, job_id).result = {"gains": TRIPLETS, "drops": []}
    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            forgetting.forget_products(session, ["TEE"])
            session.flush()
            other = pool.submit(forget, database, "CAP")
            wait_for(database, other)
        other.result(60)
    with database.read() as session:
        assert session.get_one(Job, job_id).result == {"gains": [], "drops": []}


@pytest.mark.services
def test_many_products_lock_all_of_their_jobs_in_one_order(
    postgres_database: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first SKU waits in the last job, and would be the first to lock its."""
    database = postgres_database
    monkeypatch.setattr(forgetting, "_AT_ONCE", 1)
    first, last = sorted(job(database, queue, "cancelled") for _ in range(2))
    add(database, last, ("pending", "A", None))
    add(database, first, ("pending", "B", None))
    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            locked(session, first)
            other = pool.submit(forget, database, "A", "B")
            wait_for(database, other)
            locked(session, last)  # a deadlock, had the other locked this before
        other.result(60)
    with database.read() as session:
        assert [session.get_one(Job, one).done for one in (first, last)] == [1, 1]
