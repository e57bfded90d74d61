"""Who may work on a job, and what happens to those who may no longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from backend.database import Database
from backend.jobs import lease, service
from backend.jobs.broker import Queue
from backend.jobs.lease import LEASE_SECONDS, MAX_ATTEMPTS, LeaseLost
from backend.jobs.tables import Job
from tests.conftest import MovableClock


@pytest.fixture
def job_id(database: Database, queue: Queue) -> str:
    with database.write() as session:
        return service.create(session, queue, kind="ingest", actor="ann").id


def claim(database: Database, job_id: str, holder: str = "worker") -> int | None:
    with database.write() as session:
        return lease.claim(session, job_id, holder)


def claimed(database: Database, job_id: str, holder: str = "worker") -> int:
    """The token of a claim that must succeed."""
    token = claim(database, job_id, holder)
    assert token is not None
    return token


def expire_overdue(database: Database) -> int:
    with database.write() as session:
        return lease.expire_overdue(session)


def write(database: Database, job_id: str, token: int, **progress) -> None:
    with database.write() as session:
        lease.check(session, job_id, token)
        lease.record(session, job_id, token, progress)


def job(database: Database, job_id: str) -> Job:
    with database.read() as session:
        return session.get_one(Job, job_id)


def test_one_of_many_deliveries_gets_the_lease(database: Database, job_id: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: claim(database, job_id), range(16)))
    assert [token for token in tokens if token is not None] == [1]
    assert job(database, job_id).attempts == 1


def test_a_job_that_is_not_there_is_not_to_be_had(database: Database) -> None:
    assert claim(database, "nope") is None


def test_a_lease_lasts_a_minute_from_its_last_renewal(
    database: Database, job_id: str, clock: MovableClock
) -> None:
    token = claimed(database, job_id)
    clock.advance(LEASE_SECONDS - 1)
    assert expire_overdue(database) == 0
    with database.write() as session:
        assert lease.renew(session, job_id, token)
    clock.advance(LEASE_SECONDS - 1)
    assert expire_overdue(database) == 0
    clock.advance(1)
    assert expire_overdue(database) == 1
    assert job(database, job_id).state == "queued"


def test_every_write_under_an_old_token_is_refused(
    database: Database, job_id: str, clock: MovableClock
) -> None:
    old = claimed(database, job_id, "first")
    clock.advance(LEASE_SECONDS)
    expire_overdue(database)
    for successor in (False, True):
        if successor:
            assert claim(database, job_id, "second") == old + 1
        with pytest.raises(LeaseLost):
            write(database, job_id, old, done=1)
        with pytest.raises(LeaseLost), database.write() as session:
            lease.record(session, job_id, old, {"done": 1})
        with database.write() as session:
            assert not lease.renew(session, job_id, old)
    write(database, job_id, old + 1, done=2)
    assert job(database, job_id).done == 2


@pytest.mark.services
def test_a_lease_cannot_be_taken_between_the_last_check_and_the_commit(
    postgres_database: Database, queue: Queue
) -> None:
    with postgres_database.write() as session:
        job_id = service.create(session, queue, kind="ingest", actor="ann").id
    token = claimed(postgres_database, job_id)
    with postgres_database.write() as session:
        lease.record(session, job_id, token, {"done": 1})
        with postgres_database.write() as other:
            assert lease.reclaim_all(other) == 0  # the row is locked: next round
    with postgres_database.write() as session:
        assert lease.reclaim_all(session) == 1


def test_a_clock_set_forwards_costs_a_repeated_batch_not_a_wrong_one(
    database: Database, job_id: str, clock: MovableClock
) -> None:
    living = claimed(database, job_id, "living")
    clock.advance(24 * 3600)
    assert expire_overdue(database) == 1
    successor = claimed(database, job_id, "successor")
    with pytest.raises(LeaseLost):
        write(database, job_id, living, done=1)
    write(database, job_id, successor, done=1)


def test_a_clock_set_back_does_not_keep_a_dead_workers_job(
    database: Database, job_id: str, clock: MovableClock
) -> None:
    """It would wait for the hour to pass once more; a minute back costs a minute at most."""
    claim(database, job_id, "dead")
    clock.advance(-LEASE_SECONDS)
    assert expire_overdue(database) == 0
    clock.advance(-3600)
    assert expire_overdue(database) == 1


def test_a_poison_job_stops_after_five_attempts(
    database: Database, job_id: str, clock: MovableClock
) -> None:
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert claim(database, job_id) == attempt
        clock.advance(LEASE_SECONDS)
        expire_overdue(database)
    stopped = job(database, job_id)
    assert stopped.state == "failed"
    assert stopped.error == (
        "The worker stopped 5 times in the middle of this job: look for the cause in the log, "
        "then retry the job."
    )
    assert claim(database, job_id) is None


def test_a_job_that_gets_on_between_the_ends_of_its_workers_is_no_poison(
    database: Database, job_id: str, clock: MovableClock
) -> None:
    """Killed twenty times, it has done something in between each time."""
    for done in range(1, 21):
        token = claimed(database, job_id)
        with database.write() as session:
            lease.record(session, job_id, token, {"done": done})
        clock.advance(LEASE_SECONDS)
        expire_overdue(database)
    assert (job(database, job_id).state, job(database, job_id).attempts) == ("queued", 1)


def test_doing_the_same_again_is_not_getting_on(
    database: Database, job_id: str, clock: MovableClock
) -> None:
    for _ in range(MAX_ATTEMPTS + 1):
        token = claim(database, job_id) or 0
        with database.write() as session:
            if token:
                lease.record(session, job_id, token, {"done": 7, "stage": "again"})
        clock.advance(LEASE_SECONDS)
        expire_overdue(database)
    assert job(database, job_id).state == "failed"


def test_a_step_that_is_not_counted_is_getting_on_too(
    database: Database, job_id: str, clock: MovableClock
) -> None:
    for _ in range(MAX_ATTEMPTS + 1):
        token = claimed(database, job_id)
        with database.write() as session:
            lease.record(session, job_id, token, {"stage": "removing"}, moved=True)
        clock.advance(LEASE_SECONDS)
        expire_overdue(database)
    assert job(database, job_id).state == "queued"


def test_a_poison_job_stops_with_the_error_it_told(
    database: Database, job_id: str, clock: MovableClock
) -> None:
    for _ in range(MAX_ATTEMPTS):
        token = claimed(database, job_id)
        with database.write() as session:
            lease.lapse(lease.check(session, job_id, token), "Qdrant does not answer.")
        clock.advance(LEASE_SECONDS)
        expire_overdue(database)
    assert (job(database, job_id).state, job(database, job_id).error) == (
        "failed",
        "Qdrant does not answer.",
    )


def test_giving_back_at_shutdown_is_not_an_attempt(database: Database, job_id: str) -> None:
    for _ in range(MAX_ATTEMPTS + 1):
        token = claimed(database, job_id)
        with database.write() as session:
            lease.release(lease.check(session, job_id, token))
    assert (job(database, job_id).state, job(database, job_id).attempts) == ("queued", 0)


@pytest.mark.parametrize("ending", ["release", "expire"])
def test_a_wish_to_cancel_is_fulfilled_however_the_worker_goes(
    database: Database, job_id: str, clock: MovableClock, ending: str
) -> None:
    token = claimed(database, job_id)
    with database.write() as session:
        service.cancel(session, job_id)
    if ending == "release":
        with database.write() as session:
            lease.release(lease.check(session, job_id, token))
    else:
        clock.advance(LEASE_SECONDS)
        expire_overdue(database)
    ended = job(database, job_id)
    assert (ended.state, ended.lease_holder, ended.lease_until) == ("cancelled", None, None)


HOLDER = """
import sys, time
from backend.database import Database
from backend.jobs import lease
database = Database(sys.argv[1])
with database.write() as session:
    print(lease.claim(session, sys.argv[2], "child"), flush=True)
with database.write() as session:
    lease.record(session, sys.argv[2], 1, {"done": 99})
    print("writing", flush=True)
    time.sleep(60)
"""


def test_kill_9_of_the_holder_loses_the_open_batch_and_nothing_else(
    database: Database, job_id: str
) -> None:
    url = database.engine.url.render_as_string(hide_password=False)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, url, job_id], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "1\n"
        assert child.stdout.readline() == "writing\n"
        os.kill(child.pid, signal.SIGKILL)
    left = job(database, job_id)
    assert (left.state, left.lease_holder, left.done) == ("running", "child", 0)
    assert expire_overdue(database) == 0
    while job(database, job_id).state == "running":  # PostgreSQL may still be clearing up
        with database.write() as session:
            lease.reclaim_all(session)
    assert claim(database, job_id) == 2
    write(database, job_id, 2, done=1)
    assert job(database, job_id).attempts == 1


def test_a_claim_passes_over_a_job_that_another_is_just_claiming(
    postgres_database: Database, queue: Queue
) -> None:
    with postgres_database.write() as session:
        ids = [service.create(session, queue, kind="ingest", actor="ann").id for _ in range(2)]
    with postgres_database.write() as first:
        token = lease.claim(first, ids[0], "first")
        with postgres_database.write() as second:
            second.execute(text("SET LOCAL lock_timeout = '2s'"))  # it would wait for ever
            assert lease.claim(second, ids[0], "second") is None
            assert lease.claim(second, ids[1], "second") is not None
    assert token is not None
    assert job(postgres_database, ids[0]).lease_holder == "first"
