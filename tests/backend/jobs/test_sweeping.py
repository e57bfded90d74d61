"""What the sweeper mends."""

from __future__ import annotations

import pytest

from backend.database import Database
from backend.jobs import lease, service
from backend.jobs.broker import Queue
from backend.jobs.lease import LEASE_SECONDS
from backend.jobs.sweeping import Swept, sweep
from tests.conftest import MovableClock


def new(database: Database, queue: Queue, kind: str = "ingest") -> str:
    with database.write() as session:
        return service.create(session, queue, kind=kind, actor="ann").id


def lose_messages(queue: Queue) -> None:
    with queue.app.connection_for_write() as connection:
        for name in ("io", "embed"):
            queue.app.amqp.queues[name](connection.default_channel).purge()


def test_there_is_nothing_to_do_on_an_empty_database(database: Database, queue: Queue) -> None:
    assert sweep(database, queue) == Swept(reclaimed=0, sent=0)


def test_a_lost_message_is_sent_again(database: Database, queue: Queue) -> None:
    new(database, queue)
    new(database, queue, "embed")
    lose_messages(queue)
    assert sweep(database, queue).sent == 2
    assert (queue.waiting("ingest"), queue.waiting("embed")) == (1, 1)


def test_waiting_messages_are_not_doubled(database: Database, queue: Queue) -> None:
    for _ in range(3):
        new(database, queue)
    for _ in range(10):
        sweep(database, queue)
    assert queue.waiting("ingest") == 3


def test_the_job_of_a_worker_that_is_gone_is_woken_again(
    database: Database, queue: Queue, clock: MovableClock
) -> None:
    job_id = new(database, queue)
    with database.write() as session:
        lease.claim(session, job_id, "gone")
    lose_messages(queue)
    clock.advance(LEASE_SECONDS)
    assert sweep(database, queue) == Swept(reclaimed=1, sent=1)
    with database.write() as session:
        assert lease.claim(session, job_id, "next") == 2


def test_only_queued_jobs_are_woken(database: Database, queue: Queue) -> None:
    with database.write() as session:
        service.create(session, queue, kind="ingest", actor="ann", collecting=True)
        service.cancel(session, service.create(session, queue, kind="ingest", actor="ann").id)
        running = service.create(session, queue, kind="ingest", actor="ann")
        lease.claim(session, running.id, "worker")
    lose_messages(queue)
    assert sweep(database, queue).sent == 0


@pytest.mark.timeout(60)
def test_a_broker_that_does_not_answer_costs_neither_job_nor_round(
    sqlite_database: Database, clock: MovableClock
) -> None:
    queue = Queue("redis://127.0.0.1:1/0")
    job_id = new(sqlite_database, queue)
    with sqlite_database.write() as session:
        lease.claim(session, job_id, "gone")
    clock.advance(LEASE_SECONDS)
    assert sweep(sqlite_database, queue) == Swept(reclaimed=1, sent=0)
    with sqlite_database.read() as session:
        assert service.get(session, job_id).state == "queued"
