"""What people and other domains do with jobs."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from backend.database import Database
from backend.errors import Conflict, InvalidInput, NotFound
from backend.jobs import lease, service
from backend.jobs.broker import Queue
from backend.jobs.schemas import JobOut
from backend.jobs.tables import Job, JobItem
from backend.paging import encode_cursor
from tests.conftest import MovableClock


def new(database: Database, queue: Queue, **fields) -> str:
    with database.write() as session:
        job = service.create(session, queue, **{"kind": "ingest", "actor": "ann"} | fields)
        return job.id


def seen(database: Database, job_id: str) -> JobOut:
    with database.read() as session:
        return service.to_schema(service.get(session, job_id))


def change(database: Database, job_id: str, **fields) -> None:
    with database.write() as session:
        job = session.get_one(Job, job_id)
        for name, value in fields.items():
            setattr(job, name, value)


def claimed(database: Database, job_id: str) -> int:
    with database.write() as session:
        token = lease.claim(session, job_id, "worker")
    assert token is not None
    return token


def test_a_new_job_is_queued_and_its_message_goes_out_after_the_commit(
    database: Database, queue: Queue
) -> None:
    with database.write() as session:
        job = service.create(session, queue, kind="ingest", actor="ann", parameters={"a": 1})
        assert queue.waiting("ingest") == 0
        job_id = job.id
    assert queue.waiting("ingest") == 1
    shown = seen(database, job_id)
    assert (shown.state, shown.actor, shown.parameters) == ("queued", "ann", {"a": 1})


def test_a_failing_request_leaves_neither_job_nor_message(database: Database, queue: Queue) -> None:
    def fail_half_way() -> None:
        with database.write() as session:
            service.create(session, queue, kind="ingest", actor="ann")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    with database.read() as session:
        assert service.list_jobs(session).total == 0
    assert queue.waiting("ingest") == 0


def test_a_collecting_job_waits_for_its_start(database: Database, queue: Queue) -> None:
    job_id = new(database, queue, collecting=True)
    assert (seen(database, job_id).state, queue.waiting("ingest")) == ("collecting", 0)
    with database.write() as session:
        service.start(session, queue, job_id)
    assert (seen(database, job_id).state, queue.waiting("ingest")) == ("queued", 1)
    with pytest.raises(Conflict), database.write() as session:
        service.start(session, queue, job_id)


@pytest.mark.parametrize("running", [False, True])
def test_one_embed_job_serves_all_who_ask_before_its_last_look(
    database: Database, queue: Queue, running: bool
) -> None:
    def ensure() -> str:
        with database.write() as session:
            return service.ensure_embed(session, queue, "g1").id

    first = ensure()
    if running:
        claimed(database, first)
    assert ensure() == first
    with database.write() as session:
        assert service.ensure_embed(session, queue, "g2").id != first


@pytest.mark.parametrize("state", ["cancelling", "cancelled", "done", "failed"])
def test_an_embed_job_that_will_not_look_again_is_followed_by_another(
    database: Database, queue: Queue, state: str
) -> None:
    first = new(database, queue, kind="embed", subject="g1")
    change(database, first, state=state)
    with database.write() as session:
        assert service.ensure_embed(session, queue, "g1").id != first


def test_many_who_ask_at_once_get_one_embed_job(database: Database, queue: Queue) -> None:
    """They wait for the first one, which takes its time to commit."""

    def ensure() -> str:
        with database.write() as session:
            return service.ensure_embed(session, queue, "g1").id

    with ThreadPoolExecutor(4) as pool:
        with database.write() as session:
            first = service.ensure_embed(session, queue, "g1").id
            asked = [pool.submit(ensure) for _ in range(4)]
            threading.Event().wait(0.3)
        assert {future.result() for future in asked} == {first}


def test_cancelling_a_waiting_job_ends_it(database: Database, queue: Queue) -> None:
    for collecting in (True, False):
        job_id = new(database, queue, collecting=collecting)
        with database.write() as session:
            service.cancel(session, job_id)
        job = seen(database, job_id)
        assert (job.state, job.finished) == ("cancelled", True)
        assert job.finished_at is not None


def test_cancelling_a_running_job_is_a_wish(database: Database, queue: Queue) -> None:
    job_id = new(database, queue)
    claimed(database, job_id)
    for _ in range(2):
        with database.write() as session:
            assert service.cancel(session, job_id).state == "cancelling"


def test_cancelling_a_finished_job_is_refused(database: Database, queue: Queue) -> None:
    job_id = new(database, queue)
    change(database, job_id, state="done")
    with pytest.raises(Conflict, match="done: there is nothing left"), database.write() as session:
        service.cancel(session, job_id)


def test_retrying_starts_with_all_attempts(database: Database, queue: Queue) -> None:
    job_id = new(database, queue)
    claimed(database, job_id)
    change(database, job_id, state="failed", error="It broke.", attempts=5)
    with database.write() as session:
        service.retry(session, queue, job_id)
    job = seen(database, job_id)
    assert (job.state, job.attempts, job.error, job.finished_at) == ("queued", 0, None, None)
    assert queue.waiting("ingest") == 2


def test_retrying_what_another_job_does_is_refused(database: Database, queue: Queue) -> None:
    old = new(database, queue, kind="embed", subject="g1")
    change(database, old, state="failed")
    live = new(database, queue, kind="embed", subject="g1")
    with (
        pytest.raises(Conflict, match=f"Job {live} does the same work already: watch that one."),
        database.write() as session,
    ):
        service.retry(session, queue, old)


def test_an_import_cancelled_before_its_start_is_not_retried(
    database: Database, queue: Queue
) -> None:
    job_id = new(database, queue, collecting=True)
    with database.write() as session:
        service.cancel(session, job_id)
    with pytest.raises(Conflict, match="send its files anew"), database.write() as session:
        service.retry(session, queue, job_id)


def test_an_unknown_job_is_told(database: Database, queue: Queue) -> None:
    with pytest.raises(NotFound, match="There is no job nope: `akin jobs list`"):
        seen(database, "nope")
    with pytest.raises(NotFound, match="There is no job nope"), database.write() as session:
        service.cancel(session, "nope")
    with pytest.raises(NotFound, match="There is no job nope"), database.read() as session:
        service.items(session, "nope")


def test_jobs_are_listed_newest_first_page_by_page(
    database: Database, queue: Queue, clock: MovableClock
) -> None:
    made = []
    for number in range(7):
        made.append(new(database, queue, kind="embed" if number % 3 == 0 else "ingest"))
        clock.advance(number % 2)  # some in the same moment
    pages: list[list[str]] = []
    cursor = None
    while cursor is not None or not pages:
        with database.read() as session:
            page = service.list_jobs(session, cursor=cursor, limit=3)
        assert page.total == 7
        pages.append([job.id for job in page.items])
        cursor = page.next_cursor
    assert [len(page) for page in pages] == [3, 3, 1]
    listed = [job_id for page in pages for job_id in page]
    assert set(listed) == set(made)
    times = [seen(database, job_id).created_at for job_id in listed]
    assert times == sorted(times, reverse=True)


def test_jobs_are_listed_by_state_and_kind(database: Database, queue: Queue) -> None:
    embed = new(database, queue, kind="embed", subject="g1")
    ingest = new(database, queue)
    change(database, ingest, state="done")
    with database.read() as session:
        assert [job.id for job in service.list_jobs(session, kind="embed").items] == [embed]
        assert [job.id for job in service.list_jobs(session, state="done").items] == [ingest]
        assert service.list_jobs(session, state="done", kind="embed").total == 0


def test_a_report_is_read_page_by_page_and_by_state(database: Database, queue: Queue) -> None:
    job_id = new(database, queue)
    with database.write() as session:
        for position in range(5):
            refused = position == 3
            session.add(
                JobItem(
                    job_id=job_id,
                    position=position,
                    name=f"{position}.png",
                    state="failed" if refused else "done",
                    outcome="refused" if refused else "created",
                    reason="It is not a picture." if refused else None,
                )
            )
    with database.read() as session:
        first = service.items(session, job_id, limit=3)
        second = service.items(session, job_id, limit=3, cursor=first.next_cursor)
        failed = service.items(session, job_id, state="failed")
    assert [item.position for item in first.items + second.items] == [0, 1, 2, 3, 4]
    assert (first.total, second.next_cursor) == (5, None)
    assert [(item.name, item.reason) for item in failed.items] == [
        ("3.png", "It is not a picture.")
    ]


@pytest.mark.parametrize("cursor", ["rubbish", encode_cursor(["nope"]), encode_cursor([1, 2])])
def test_a_strange_cursor_is_told(database: Database, queue: Queue, cursor: str) -> None:
    job_id = new(database, queue)
    with (
        pytest.raises(InvalidInput, match="cursor is not one this list gave out"),
        database.read() as session,
    ):
        service.list_jobs(session, cursor=cursor)
    with (
        pytest.raises(InvalidInput, match="cursor is not one this list gave out"),
        database.read() as session,
    ):
        service.items(session, job_id, cursor=cursor)


def test_the_time_left_follows_from_the_rate_just_now(database: Database, queue: Queue) -> None:
    job_id = new(database, queue)
    claimed(database, job_id)
    assert (seen(database, job_id).rate, seen(database, job_id).seconds_left) == (None, None)
    change(database, job_id, done=25, total=100, result={"progress": {"rate": 2.5}})
    shown = seen(database, job_id)
    assert (shown.rate, shown.seconds_left, shown.result) == (2.5, 30.0, {})
    change(database, job_id, done=110)  # more than was counted before
    assert seen(database, job_id).seconds_left == 0.0
    change(database, job_id, result={"progress": {"rate": 0.0}})  # it stands still
    assert seen(database, job_id).seconds_left is None
    change(database, job_id, state="queued")
    assert seen(database, job_id).rate is None


def test_while_a_job_checks_it_counts_what_it_checks(database: Database, queue: Queue) -> None:
    job_id = new(database, queue)
    claimed(database, job_id)
    change(database, job_id, stage="checking", result={"progress": {"done": 3, "total": 12}})
    shown = seen(database, job_id)
    assert (shown.stage, shown.done, shown.total, shown.result) == ("checking", 3, 12, {})
