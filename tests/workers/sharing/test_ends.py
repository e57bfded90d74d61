"""Workers that share an import come to their end, or it to its: nothing is lost or done twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from prometheus_client import REGISTRY

from backend.jobs import service
from backend.jobs.lease import LEASE_SECONDS, MAX_ATTEMPTS
from backend.jobs.schemas import FINISHED
from backend.jobs.sweeping import sweep
from backend.jobs.tables import Job, JobPart
from backend.runtime import Runtime
from tests.conftest import MovableClock
from tests.workers.sharing.stage import (
    ON_POSTGRES,
    Stage,
    keep_at_it,
    led,
    standing,
    wake,
)
from tests.workers.workshop import (
    job_of,
    open_import,
    photos,
    products,
)
from workers.execution import BUG
from workers.holding import Hold


def ended(outcome: str) -> float:
    """How many imports, or parts of them, came to this end in this process."""
    labels = {"kind": "ingest", "outcome": outcome}
    return REGISTRY.get_sample_value("akin_job_seconds_count", labels) or 0


def test_the_part_of_a_worker_that_was_killed_is_taken_over(
    runtime: Runtime, stage: Stage, clock: MovableClock
) -> None:
    job_id = open_import(runtime, photos(12))
    come, go = stage.hold_up(0)
    watched = stage.before

    def killed(hold: Hold, positions: list[int]) -> None:
        if 6 in positions and 6 not in stage.positions and not go.is_set():
            raise SystemExit
        watched(hold, positions)

    stage.before = killed
    with led(runtime, job_id, come):
        with pytest.raises(SystemExit):
            wake(runtime, job_id)
        assert stage.positions == [4, 5]
        clock.advance(LEASE_SECONDS)
        go.set()
    job = job_of(runtime, job_id)
    assert (job.state, job.done, job.result["created"]) == ("done", 12, 12)
    assert stage.positions == list(range(12))


@ON_POSTGRES
def test_a_worker_whose_lease_was_taken_writes_nothing_more(
    runtime: Runtime, stage: Stage, clock: MovableClock
) -> None:
    """It was paused for a minute, and another went on in its place."""
    job_id = open_import(runtime, photos(8))
    come, go = stage.hold_up(0)
    late, on = stage.hold_up(4)
    with led(runtime, job_id, come), ThreadPoolExecutor(1) as pool:
        paused = pool.submit(wake, runtime, job_id)
        assert late.wait(30)
        clock.advance(LEASE_SECONDS)
        go.set()
        while job_of(runtime, job_id).state == "running":
            pass
        on.set()
        paused.result(30)
    job = job_of(runtime, job_id)
    assert (job.state, job.done, job.result["created"]) == ("done", 8, 8)
    assert stage.positions == list(range(8))
    assert len(products(runtime)) == 8


@ON_POSTGRES
def test_the_end_of_the_lead_leaves_the_others_working(
    runtime: Runtime, stage: Stage, clock: MovableClock
) -> None:
    job_id = open_import(runtime, photos(16))
    come, go = stage.hold_up(4)
    before = stage.before

    killed = threading.Event()

    def kill_the_lead(hold: Hold, positions: list[int]) -> None:
        if 0 in positions and not killed.is_set():
            killed.set()
            assert come.wait(30)
            raise SystemExit
        before(hold, positions)

    stage.before = kill_the_lead
    with ThreadPoolExecutor(2) as pool:
        leading_it = pool.submit(wake, runtime, job_id)
        assert killed.wait(30)
        other = pool.submit(keep_at_it, runtime, job_id)
        with suppress(SystemExit):
            leading_it.result(30)
        with runtime.database.write() as session:
            session.get_one(Job, job_id).lease_until = clock.now()
        sweep(runtime.database, runtime.queue)
        assert job_of(runtime, job_id).state == "queued"
        go.set()
        while 7 not in stage.positions:
            assert job_of(runtime, job_id).attempts <= 2
        clock.advance(LEASE_SECONDS)
        other.result(60)
    job = job_of(runtime, job_id)
    assert (job.state, job.done, job.result["created"]) == ("done", 16, 16)
    assert stage.positions == list(range(16))


@ON_POSTGRES
def test_cancelling_stops_everybody_within_a_batch(runtime: Runtime, stage: Stage) -> None:
    job_id = open_import(runtime, photos(12))
    come, go = stage.hold_up(0)
    late, on = stage.hold_up(4)
    with led(runtime, job_id, come), ThreadPoolExecutor(1) as pool:
        other = pool.submit(wake, runtime, job_id)
        assert late.wait(30)
        with runtime.database.write() as session:
            service.cancel(session, job_id)
        on.set()
        other.result(30)
        assert set(stage.positions) <= {4, 5}
        go.set()
    job = job_of(runtime, job_id)
    assert job.state == "cancelled"
    assert job.done == len(stage.positions) <= 4
    assert standing(runtime, job_id).parts == 0
    with runtime.database.write() as session:
        service.retry(session, runtime.queue, job_id)
    keep_at_it(runtime, job_id)
    assert (job_of(runtime, job_id).state, job_of(runtime, job_id).done) == ("done", 12)


@ON_POSTGRES
def test_a_worker_that_shuts_down_gives_its_part_to_anyone(runtime: Runtime, stage: Stage) -> None:
    job_id = open_import(runtime, photos(8))
    come, go = stage.hold_up(0)
    shutdown = threading.Event()
    with led(runtime, job_id, come):
        before = stage.before

        def shut_down(hold: Hold, positions: list[int]) -> None:
            before(hold, positions)
            shutdown.set()

        stage.before = shut_down
        wake(runtime, job_id, shutdown)
        assert stage.positions == [4, 5]
        stage.before = before
        wake(runtime, job_id)
        assert stage.positions == [4, 5, 6, 7]
        go.set()


@ON_POSTGRES
def test_what_fails_another_is_left_to_the_lead_who_can_tell_it(
    runtime: Runtime, stage: Stage
) -> None:
    job_id = open_import(runtime, photos(12))
    come, go = stage.hold_up(0)
    before = stage.before

    def fail(hold: Hold, positions: list[int]) -> None:
        before(hold, positions)
        if 4 in positions:
            raise ZeroDivisionError

    stage.before = fail
    failed, failed_parts = ended("failed"), ended("part-failed")
    with led(runtime, job_id, come):
        wake(runtime, job_id)
        assert job_of(runtime, job_id).state == "running"
        assert (ended("failed"), ended("part-failed")) == (failed, failed_parts + 1)
        wake(runtime, job_id)
        assert stage.positions == [8, 9, 10, 11], "the next one takes another part"
        go.set()
    job = job_of(runtime, job_id)
    assert (job.state, job.error) == ("failed", BUG)
    assert standing(runtime, job_id).parts == 0


def test_a_part_that_ends_its_workers_again_and_again_ends_the_job(
    runtime: Runtime, stage: Stage, clock: MovableClock
) -> None:
    job_id = open_import(runtime, photos(12))
    sizes: list[int] = []

    def poisoned(hold: Hold, positions: list[int]) -> None:
        if 4 in positions:
            sizes.append(len(positions))
            raise SystemExit

    stage.before = poisoned
    while job_of(runtime, job_id).state not in FINISHED:
        with suppress(SystemExit):
            wake(runtime, job_id)
        clock.advance(LEASE_SECONDS)
        sweep(runtime.database, runtime.queue)
    job = job_of(runtime, job_id)
    assert (job.state, len(sizes)) == ("failed", MAX_ATTEMPTS)
    assert sizes == [2, 1, 1, 1, 1]
    assert job.error == (
        "The worker stopped 5 times in the middle of this job: look for the cause in the log, "
        "then retry the job."
    )


def test_a_spent_part_ends_the_job_though_others_got_on(runtime: Runtime, stage: Stage) -> None:
    job_id = open_import(runtime, photos(8))

    def spend(hold: Hold, positions: list[int]) -> None:
        with runtime.database.write() as session:
            session.get_one(JobPart, (job_id, 1)).attempts = MAX_ATTEMPTS

    stage.before = spend
    wake(runtime, job_id)
    job = job_of(runtime, job_id)
    assert (job.state, job.done) == ("failed", 4)
    assert job.error is not None
    assert job.error.startswith("The worker stopped 5 times in the middle of this job")
