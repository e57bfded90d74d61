"""Who may work on a part of a job, and what is left of parts when workers or the job end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from backend.database import Database
from backend.jobs import lease, parts, service
from backend.jobs.broker import Queue
from backend.jobs.lease import LEASE_SECONDS, MAX_ATTEMPTS, LeaseLost
from backend.jobs.parts import Part, Standing
from backend.jobs.sweeping import sweep
from backend.jobs.tables import Job, JobPart
from tests.conftest import MovableClock


@pytest.fixture
def job_id(database: Database, queue: Queue) -> str:
    """A running import that is cut into three."""
    return shared_job(database, queue)


def shared_job(database: Database, queue: Queue) -> str:
    with database.write() as session:
        job_id = service.create(session, queue, kind="ingest", actor="ann").id
        lease.claim(session, job_id, "lead")
        parts.cut(session, job_id, [(0, 9), (10, 19), (20, 24)])
    return job_id


def claim(database: Database, job_id: str, **options: Any) -> Part | None:
    with database.write() as session:
        return parts.claim(session, job_id, "worker", **options)


def claimed(database: Database, job_id: str, **options: Any) -> Part:
    """A claim that must succeed."""
    part = claim(database, job_id, **options)
    assert part is not None
    return part


def count(database: Database, part: Part, done: int = 1) -> None:
    with database.write() as session:
        parts.check(session, part)
        parts.record(session, part, {"done": Job.done + done}, moved=True)


def give_back(database: Database, part: Part, *, counted: bool) -> None:
    with database.write() as session:
        parts.give_back(session, part, counted=counted)


def finish(database: Database, part: Part) -> None:
    with database.write() as session:
        parts.finish(session, part)


def standing(database: Database, job_id: str) -> Standing:
    with database.read() as session:
        return parts.standing(session, job_id)


def job(database: Database, job_id: str) -> Job:
    with database.read() as session:
        return session.get_one(Job, job_id)


# Claims


def test_parts_are_taken_in_their_order_each_by_one_worker(database, job_id) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: claim(database, job_id), range(8)))
    taken = [part for part in found if part is not None]
    missed = 3 - len(taken)  # on PostgreSQL one that is just being claimed is passed over
    taken += [claimed(database, job_id) for _ in range(missed)]
    assert sorted((part.number, part.first, part.last) for part in taken) == [
        (0, 0, 9),
        (1, 10, 19),
        (2, 20, 24),
    ]
    assert len({part.token for part in taken}) == 3
    assert claim(database, job_id) is None


def test_parts_that_are_put_off_are_passed_over(database, job_id) -> None:
    assert claimed(database, job_id, but={0, 1}).number == 2


def test_further_parts_come_behind_those_there_are(database, job_id) -> None:
    finish(database, claimed(database, job_id))
    with database.write() as session:
        parts.cut(session, job_id, [(25, 30)])
    assert [claimed(database, job_id).first for _ in range(3)] == [10, 20, 25]


@pytest.mark.parametrize("state", ["collecting", "cancelling", "done", "failed", "cancelled"])
def test_only_a_live_job_has_parts_to_be_had(database, job_id, state) -> None:
    with database.write() as session:
        session.get_one(Job, job_id).state = state
    assert claim(database, job_id, leads=True) is None


def test_one_that_somebody_began_is_the_leads_until_it_is_spent(
    database, job_id, clock: MovableClock
) -> None:
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert claimed(database, job_id, leads=True).attempt == attempt
        clock.advance(LEASE_SECONDS)
        assert claim(database, job_id, but={1, 2}) is None
    assert standing(database, job_id) == Standing(parts=3, free=3, spent=1)
    assert claimed(database, job_id, leads=True).number == 1


# Leases


def test_a_lease_lasts_a_minute_from_its_last_renewal(
    database, job_id, clock: MovableClock
) -> None:
    part = claimed(database, job_id)
    for _ in range(3):
        clock.advance(LEASE_SECONDS - 1)
        with database.write() as session:
            assert parts.renew(session, part)
    assert standing(database, job_id).free == 2
    clock.advance(LEASE_SECONDS)
    assert standing(database, job_id).free == 3


def test_every_write_under_an_old_token_is_refused(database, job_id, clock: MovableClock) -> None:
    old = claimed(database, job_id)
    clock.advance(LEASE_SECONDS)
    new = claimed(database, job_id, leads=True)
    assert new.number == old.number
    with pytest.raises(LeaseLost):
        count(database, old)
    with pytest.raises(LeaseLost), database.write() as session:
        parts.record(session, old, {"done": Job.done + 1}, moved=True)
    with pytest.raises(LeaseLost), database.read() as session:
        parts.check(session, old)
    with database.write() as session:
        assert not parts.renew(session, old)
    finish(database, old)
    give_back(database, old, counted=False)
    count(database, new)
    assert job(database, job_id).done == 1


def test_a_part_of_the_same_number_is_another(database, job_id) -> None:
    """An old worker's token must not fit what was cut after all parts were done."""
    old = claimed(database, job_id, but={1, 2})
    with database.write() as session:
        session.query(JobPart).delete()
        parts.cut(session, job_id, [(0, 9)])
    assert claimed(database, job_id).number == old.number
    with pytest.raises(LeaseLost):
        count(database, old)


def test_a_clock_set_back_does_not_keep_a_dead_workers_part(
    database, job_id, clock: MovableClock
) -> None:
    claimed(database, job_id)
    clock.advance(-3600)
    assert claimed(database, job_id, leads=True).number == 0


def test_the_embedded_start_frees_every_part(database, job_id) -> None:
    for _ in range(3):
        claimed(database, job_id)
    with database.write() as session:
        lease.reclaim_all(session)
    assert standing(database, job_id).free == 3


# Counting, and ends


def test_many_count_at_once_and_nothing_is_lost(database, job_id) -> None:
    held = [claimed(database, job_id) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        counting = [pool.submit(count, database, part, 2) for part in held for _ in range(10)]
    for one in counting:
        one.result()
    assert job(database, job_id).done == 60


def test_getting_on_counts_the_attempts_afresh_of_part_and_job(
    database, job_id, clock: MovableClock
) -> None:
    for _ in range(3):
        part = claimed(database, job_id, leads=True)
        clock.advance(LEASE_SECONDS)
    with database.write() as session:
        session.get_one(Job, job_id).attempts = 4
    part = claimed(database, job_id, leads=True)
    count(database, part)
    assert job(database, job_id).attempts == 1
    give_back(database, part, counted=False)
    assert claimed(database, job_id).attempt == 1


@pytest.mark.parametrize(("counted", "next_one"), [(False, 0), (True, 1)])
def test_one_that_is_given_back_is_anyones_unless_it_failed(
    database, job_id, counted, next_one
) -> None:
    give_back(database, claimed(database, job_id), counted=counted)
    assert claimed(database, job_id).number == next_one


def test_the_end_of_the_lead_disturbs_nobody(database, job_id, clock: MovableClock) -> None:
    part = claimed(database, job_id)
    with database.write() as session:
        session.get_one(Job, job_id).lease_until = clock.now()
        assert lease.expire_overdue(session) == 1
    count(database, part)
    with database.write() as session:
        assert lease.claim(session, job_id, "next lead") == 2
    count(database, part)
    assert job(database, job_id).done == 2
    assert standing(database, job_id).parts == 3


@pytest.mark.parametrize("end", ["finish", "fail", "cancel"])
def test_a_job_that_is_over_has_no_parts_and_takes_no_writes(database, job_id, end) -> None:
    part = claimed(database, job_id)
    with database.write() as session:
        found = session.get_one(Job, job_id)
        if end == "finish":
            lease.finish(found, {})
        elif end == "fail":
            lease.fail(found, "It broke.")
        else:
            service.cancel(session, job_id)
            lease.release(found)
    with pytest.raises(LeaseLost):
        count(database, part)
    with pytest.raises(LeaseLost), database.write() as session:
        parts.record(session, part, {"done": Job.done + 1}, moved=True)
    assert job(database, job_id).done == 0
    assert standing(database, job_id).parts == 0


@pytest.mark.services
def test_a_job_ends_while_a_part_is_written_without_a_deadlock(
    postgres_database: Database, queue: Queue
) -> None:
    job_id = shared_job(postgres_database, queue)
    part = claimed(postgres_database, job_id)

    def cancel() -> None:
        with postgres_database.write() as session:
            service.cancel(session, job_id)
            lease.release(session.get_one(Job, job_id))

    cancelling = threading.Thread(target=cancel)
    with postgres_database.write() as session:
        parts.record(session, part, {"done": Job.done + 1}, moved=True)
        cancelling.start()
        cancelling.join(0.2)
        assert cancelling.is_alive(), "it waits for the part's commit"
    cancelling.join(30)
    assert (job(postgres_database, job_id).state, job(postgres_database, job_id).done) == (
        "cancelled",
        1,
    )


# The sweeper


def test_the_sweeper_calls_others_to_parts_that_anyone_may_take(
    database, queue: Queue, job_id
) -> None:
    def called() -> int:
        with queue.app.connection_for_write() as connection:
            queue.app.amqp.queues["io"](connection.default_channel).purge()
        return sweep(database, queue).sent

    assert called() == 1
    assert sweep(database, queue).sent == 0, "a message waits in the queue"
    held = [claimed(database, job_id) for _ in range(3)]
    assert called() == 0
    give_back(database, held[1], counted=True)
    assert called() == 0, "it is the lead's"
    give_back(database, held[2], counted=False)
    assert called() == 1


def test_a_deleted_job_takes_its_parts_along(database, job_id) -> None:
    with database.write() as session:
        session.delete(session.get_one(Job, job_id))
    with database.read() as session:
        assert session.scalars(select(JobPart)).all() == []
