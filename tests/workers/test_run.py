"""What a task's body may rely on while it runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend import clock as clock_module
from backend.catalogue.tables import Removal
from backend.jobs import lease, service
from backend.jobs.lease import LEASE_SECONDS, LeaseLost
from backend.jobs.tables import Job
from backend.runtime import Runtime
from tests.conftest import MovableClock
from workers.renewal import Renewal
from workers.run import Run, Stopped


@contextmanager
def running(runtime: Runtime, kind: str = "ingest", **fields) -> Iterator[Run]:
    """A run of a new job, with its lease kept by its thread."""
    with runtime.database.write() as session:
        job_id = service.create(session, runtime.queue, kind=kind, actor="ann", **fields).id
        token = lease.claim(session, job_id, "test") or 0
    with runtime.database.read() as session:
        job = lease.check(session, job_id, token)
    with Renewal(runtime.database, job_id, token) as renewal:
        yield Run(runtime, job, renewal, threading.Event())


def job_of(run: Run) -> Job:
    with run.read() as session:
        return session.get_one(Job, run.job_id)


def reclaim(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        lease.reclaim_all(session)


def removals(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Removal)) or 0


def removal() -> Removal:
    """Some row that a batch writes."""
    return Removal(image_id="i1", sha256="a" * 64, created_at=clock_module.now())


def test_a_body_sees_what_the_job_asks_for(runtime: Runtime) -> None:
    with running(runtime, "embed", subject="g1", parameters={"a": 1}) as run:
        assert (run.subject, run.parameters, run.stopping) == ("g1", {"a": 1}, False)


@pytest.mark.parametrize(("attempts", "size"), [(1, 64), (2, 16), (3, 4), (4, 1), (5, 1)])
def test_after_ends_in_the_midst_less_is_taken_on_until_a_step_is_done(
    runtime: Runtime, attempts: int, size: int
) -> None:
    with running(runtime) as first, runtime.database.write() as session:
        session.get_one(Job, first.job_id).attempts = attempts
        job = session.get_one(Job, first.job_id)
        run = Run(runtime, job, first._renewal, threading.Event())
    assert run.at_once(64) == size
    with run.write() as session:
        run.progress(session, stage="importing")
    assert run.at_once(64) == size
    with run.write() as session:
        run.progress(session, done=size)
    assert run.at_once(64) == 64


def test_work_and_progress_are_kept_together(runtime: Runtime) -> None:
    with running(runtime) as run:
        with run.write() as session:
            session.add(removal())
            run.progress(session, stage="reading", done=3, failed=1, total=10)
        with run.write() as session:
            run.progress(session, done=4)
        job = job_of(run)
        assert (job.stage, job.done, job.failed, job.total) == ("reading", 4, 1, 10)


def test_what_is_counted_adds_to_what_others_count_at_the_same_time(runtime: Runtime) -> None:
    with running(runtime) as run:
        with run.write() as session:
            run.count(session, done=3, failed=1)
        with runtime.database.write() as session:
            session.get_one(Job, run.job_id).done += 10
        with run.write() as session:
            run.count(session, done=2)
        job = job_of(run)
        assert (job.done, job.failed) == (15, 1)


@pytest.mark.parametrize("always_named", [True, False])
def test_progress_tells_its_rate_of_this_stage_and_run(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, always_named: bool
) -> None:
    seconds = iter([10.0, 12.0, 20.0, 25.0])
    with running(runtime) as run:
        monkeypatch.setattr("workers.pace.clock.monotonic", lambda: next(seconds))
        rates = []
        again = ("reading", "storing") if always_named else (None, None)
        for stage, done in (("reading", 4), (again[0], 10), ("storing", 10), (again[1], 60)):
            with run.write() as session:
                run.progress(session, stage=stage, done=done, total=100)
            rates.append(service.to_schema(job_of(run)).rate)
        assert rates == [None, 3.0, None, 10.0]
        assert service.to_schema(job_of(run)).seconds_left == 4.0


def test_a_batch_that_fails_keeps_neither_work_nor_progress(runtime: Runtime) -> None:
    def fail_half_way(run: Run) -> None:
        with run.write() as session:
            session.add(removal())
            run.progress(session, done=3)
            raise ZeroDivisionError

    with running(runtime) as run:
        with pytest.raises(ZeroDivisionError):
            fail_half_way(run)
        with run.write() as session:
            assert removals(session) == 0
        assert job_of(run).done == 0


def test_without_the_lease_nothing_is_written(runtime: Runtime) -> None:
    with running(runtime) as run:
        reclaim(runtime)
        with pytest.raises(LeaseLost), run.write() as session:
            session.add(removal())
        with pytest.raises(LeaseLost):
            run.finish({})
        with run.read() as session:
            assert removals(session) == 0
        assert run.stopping


def test_the_lease_thread_notices_a_wish_to_cancel(runtime: Runtime) -> None:
    with running(runtime) as run:
        run.checkpoint()
        with runtime.database.write() as session:
            service.cancel(session, run.job_id)
        wait_until_stopping(run)
        with pytest.raises(Stopped):
            run.checkpoint()


def test_the_lease_thread_notices_that_the_lease_is_gone(runtime: Runtime) -> None:
    with running(runtime) as run:
        reclaim(runtime)
        wait_until_stopping(run)


def test_a_write_notices_a_wish_to_cancel_at_once(runtime: Runtime) -> None:
    with running(runtime) as run:
        with runtime.database.write() as session:
            service.cancel(session, run.job_id)
        with run.write():
            assert run.stopping


def test_the_lease_is_renewed_while_the_body_is_busy(
    runtime: Runtime, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.renewal.RENEW_SECONDS", 0.0)
    with running(runtime) as run:
        first = job_of(run).lease_until
        clock.advance(LEASE_SECONDS - 1)
        pause = threading.Event()
        while job_of(run).lease_until == first:
            pause.wait(0.05)
        clock.advance(LEASE_SECONDS - 1)
        with runtime.database.write() as session:
            assert lease.expire_overdue(session) == 0


def test_finishing_waits_for_work_that_came_meanwhile(runtime: Runtime) -> None:
    with running(runtime) as run:
        assert run.finish({"early": True}, unless=lambda session: removals(session) == 0) is False
        assert (job_of(run).state, run.ended) == ("running", False)
        with run.write() as session:
            session.add(removal())
        assert run.finish({"late": True}, unless=lambda session: removals(session) == 0) is True
        assert (job_of(run).state, job_of(run).result, run.ended) == ("done", {"late": True}, True)


@pytest.mark.services
def test_work_added_during_the_last_look_opens_another_job(runtime: Runtime, postgres_database):
    """`ensure_embed` in another transaction waits for the last look, then sees it has ended."""
    runtime.database = postgres_database
    asked, answers = threading.Event(), []

    def ask() -> None:
        with runtime.database.write() as session:
            asked.set()
            answers.append(service.ensure_embed(session, runtime.queue, "g1").id)

    def last_look(_: Session) -> bool:
        asker.start()
        asked.wait()
        asker.join(0.3)
        assert answers == [], "it did not wait"
        return False

    with running(runtime, "embed", subject="g1") as run:
        asker = threading.Thread(target=ask)
        assert run.finish({}, unless=last_look)
        asker.join()
        assert answers != [run.job_id]


def test_giving_back_wakes_the_next_worker(runtime: Runtime) -> None:
    with running(runtime) as run:
        before = runtime.queue.waiting("ingest")
        run.release()
        assert job_of(run).state == "queued"
        assert runtime.queue.waiting("ingest") == before + 1


def wait_until_stopping(run: Run) -> None:
    pause = threading.Event()
    for _ in range(100):
        if run.stopping:
            return
        pause.wait(0.05)
    pytest.fail("not noticed within five seconds")
