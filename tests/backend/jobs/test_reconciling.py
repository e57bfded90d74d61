"""When a reconciliation is asked for: by a person at any time, by the clock once a day."""

from __future__ import annotations

from datetime import datetime

import pytest

from backend.database import Database
from backend.errors import Conflict
from backend.jobs import lease, service
from backend.jobs.broker import Queue
from backend.jobs.reconciling import ensure_reconcile, is_due
from backend.jobs.schemas import ReconcileRequest
from tests.conftest import MovableClock

HOUR = 3


@pytest.fixture
def night(clock: MovableClock) -> MovableClock:
    """A clock that stands at one in the morning, on this machine's wall."""
    clock.moment = datetime(2026, 1, 10, 1).astimezone()
    return clock


def due(database: Database) -> bool:
    with database.read() as session:
        return is_due(session, HOUR)


def add(database: Database, queue: Queue, kind: str = "ingest", *, over: bool = True) -> str:
    with database.write() as session:
        job_id = service.create(session, queue, kind=kind, actor="ann").id
        if over:
            service.cancel(session, job_id)
        return job_id


def ask(database: Database, queue: Queue, **request: bool) -> str:
    with database.write() as session:
        return ensure_reconcile(session, queue, ReconcileRequest(**request), "ann").id


def end(database: Database, job_id: str) -> None:
    with database.write() as session:
        lease.claim(session, job_id, "worker")
        lease.finish(service.get(session, job_id), {})


def test_one_at_a_time(database: Database, queue: Queue) -> None:
    first = ask(database, queue)
    assert ask(database, queue) == first
    with pytest.raises(Conflict, match=f"Job {first} reconciles already: wait for it"):
        ask(database, queue, deep=True)
    end(database, first)
    assert ask(database, queue, deep=True) != first


def test_it_is_due_at_its_hour_and_once_a_day(
    database: Database, queue: Queue, night: MovableClock
) -> None:
    add(database, queue)
    assert not due(database)
    night.advance(2 * 3600)
    assert due(database)
    end(database, ask(database, queue))
    assert not due(database)
    night.advance(23.9 * 3600)
    assert not due(database)
    night.advance(0.2 * 3600)
    assert due(database)


def test_a_new_installation_waits_for_its_first_night(
    database: Database, queue: Queue, night: MovableClock
) -> None:
    night.advance(10 * 3600)
    assert not due(database)
    add(database, queue)
    assert not due(database)
    night.advance(16.5 * 3600)
    assert due(database)


def test_a_machine_that_was_off_at_night_does_it_in_the_morning(
    database: Database, queue: Queue, night: MovableClock
) -> None:
    add(database, queue)
    night.advance(9 * 3600)
    assert due(database)


def test_it_waits_for_other_jobs_but_not_for_ever(
    database: Database, queue: Queue, night: MovableClock
) -> None:
    add(database, queue, over=False)
    night.advance(2 * 3600)
    assert not due(database)
    night.advance(3 * 3600)
    assert due(database)


def test_an_import_that_still_collects_does_not_hold_it_up(
    database: Database, queue: Queue, night: MovableClock
) -> None:
    with database.write() as session:
        service.create(session, queue, kind="ingest", actor="ann", collecting=True)
    night.advance(2 * 3600)
    assert due(database)


def test_it_is_not_due_while_one_runs(
    database: Database, queue: Queue, night: MovableClock
) -> None:
    ask(database, queue)
    night.advance(7 * 3600)
    assert not due(database)
