"""The wall clock set forwards and backwards in the middle of things: no work lost, none done twice,
no figure that makes no sense. Leases, imports, lists and searches, on both databases."""

from __future__ import annotations

import threading
from datetime import timedelta
from itertools import cycle

import pytest
from sqlalchemy import func, select

from backend.catalogue import imports
from backend.catalogue.listing import list_products
from backend.catalogue.schemas import FileClaim, ImportCreate
from backend.catalogue.tables import Image, Product
from backend.database import Database
from backend.errors import Conflict
from backend.jobs import reconciling, service
from backend.jobs.lease import LEASE_SECONDS
from backend.jobs.schemas import ReconcileRequest
from backend.jobs.sweeping import sweep
from backend.jobs.tables import Job, JobItem
from backend.runtime import Runtime
from backend.search.windows import Windows
from tests.backend.catalogue.stock import product
from tests.conftest import MovableClock
from tests.workers.workshop import job_of, open_import, photo, reasons
from ui.text import duration
from workers import import_batches, ingesting
from workers.execution import execute
from workers.ingesting import ingest
from workers.run import Run

DAY = 24 * 3600.0
JUMPS = (DAY, -2 * DAY, 3600.0, -3600.0, 10 * DAY, -10 * DAY, -0.5)


@pytest.fixture
def runtime(runtime: Runtime, database: Database) -> Runtime:
    """Over SQLite and over PostgreSQL."""
    runtime.database = database
    return runtime


def batches_of_one(monkeypatch: pytest.MonkeyPatch, before_each) -> None:
    """Imports work item by item, and something happens before each."""
    do_batch = ingesting._do_batch

    def shaken(run: Run, *rest) -> None:
        before_each(run)
        do_batch(run, *rest)

    monkeypatch.setattr(import_batches, "BATCH_ITEMS", 1)
    monkeypatch.setattr(ingesting, "_do_batch", shaken)


def run_to_the_end(runtime: Runtime, job_id: str) -> Job:
    """As the sweeper and the workers do: whatever lapses is taken up again."""
    for _ in range(20):
        execute(runtime, "ingest", ingest, job_id, threading.Event())
        if job_of(runtime, job_id).state in {"done", "failed", "cancelled"}:
            break
        sweep(runtime.database, runtime.queue)
    return job_of(runtime, job_id)


def counts(runtime: Runtime) -> tuple[int, int]:
    with runtime.database.read() as session:
        tables = (Product.id, Image.id)
        one, other = (session.scalar(select(func.count(table))) or 0 for table in tables)
        return one, other


def test_an_import_amid_jumps_is_complete_and_nothing_is_twice(
    runtime: Runtime, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep falls behind each jump, as it may: leases of living workers are taken away."""
    jumps = cycle(JUMPS)
    count = 0

    def jump(run: Run) -> None:
        nonlocal count
        count += 1
        if count % 3 == 0:
            clock.advance(next(jumps))
            sweep(runtime.database, runtime.queue)

    batches_of_one(monkeypatch, jump)
    files = {f"{n}.png": photo(f"rgb({n}, 9, 9)", "PNG") for n in range(8)}
    job_id = open_import(runtime, files)
    job = run_to_the_end(runtime, job_id)
    assert (job.state, job.done, job.failed, job.total) == ("done", 8, 0, 8)
    assert job.result["created"] == 8
    assert counts(runtime) == (8, 8)
    assert reasons(runtime, job) == {}
    with runtime.database.read() as session:
        states = session.scalars(select(JobItem.state).where(JobItem.job_id == job_id)).all()
    assert states == ["done"] * 8


@pytest.mark.parametrize("jump", [DAY, -DAY, -3600.0])
def test_a_dead_worker_does_not_hold_a_job_however_the_clock_is_set(
    runtime: Runtime, clock: MovableClock, jump: float
) -> None:
    job_id = open_import(runtime, {"a.jpg": photo("red")})

    def killed(run: Run) -> dict[str, object]:
        raise SystemExit

    with pytest.raises(SystemExit):
        execute(runtime, "ingest", killed, job_id, threading.Event())
    clock.advance(jump)
    assert sweep(runtime.database, runtime.queue).reclaimed == 1
    assert run_to_the_end(runtime, job_id).state == "done"


def collecting(runtime: Runtime) -> str:
    claim = FileClaim(name="a.jpg", sha256="0" * 64, size=1)
    with runtime.database.write() as session:
        job_id = imports.open_import(session, runtime.queue, ImportCreate(), "ann").id
        imports.claim_files(session, job_id, [claim], 10**9)
    return job_id


def released(runtime: Runtime, job_id: str) -> str:
    with runtime.database.write() as session:
        imports.release_staged(session, runtime.blobs)
    return job_of(runtime, job_id).state


@pytest.mark.parametrize("jump", [6 * DAY, -6 * DAY, -365 * DAY])
def test_an_import_that_collects_outlives_a_jump_within_its_week(
    runtime: Runtime, clock: MovableClock, jump: float
) -> None:
    job_id = collecting(runtime)
    clock.advance(jump)
    assert released(runtime, job_id) == "collecting"


def test_one_that_a_jump_of_weeks_ends_says_so_and_can_be_sent_anew(
    runtime: Runtime, clock: MovableClock
) -> None:
    job_id = collecting(runtime)
    clock.advance(8 * DAY)
    assert released(runtime, job_id) == "cancelled"
    assert job_of(runtime, job_id).error == (
        "Nothing came for this import for a week, so it was cancelled: send its files anew."
    )
    clock.advance(-8 * DAY)
    with runtime.database.read() as session, pytest.raises(Conflict, match="open another"):
        imports.check_claimed(session, job_id, "0" * 64)


def test_lists_show_each_row_once_whatever_the_times(runtime: Runtime, clock: MovableClock) -> None:
    for number, jump in zip(range(30), cycle((*JUMPS, 0.0)), strict=False):
        clock.advance(jump)
        with runtime.database.write() as session:
            product(session, f"P{number}")
            service.create(session, runtime.queue, kind="ingest", actor="ann")
    shown: list[str] = []
    jobs: list[str] = []
    with runtime.database.read() as session:
        cursor = None
        while cursor is not None or not shown:
            page = list_products(session, cursor=cursor, limit=7)
            shown += [item.sku for item in page.items]
            cursor = page.next_cursor
        while cursor is not None or not jobs:
            listed = service.list_jobs(session, cursor=cursor, limit=7)
            jobs += [job.id for job in listed.items]
            cursor = listed.next_cursor
    assert sorted(shown) == sorted(f"P{number}" for number in range(30))
    assert len(set(jobs)) == len(jobs) == 30


@pytest.mark.parametrize("jump", JUMPS)
def test_what_is_left_and_what_it_took_is_never_negative(
    runtime: Runtime, clock: MovableClock, jump: float
) -> None:
    job_id = open_import(runtime, {"a.jpg": photo("red"), "b.jpg": photo("blue")})

    def half(run: Run) -> dict[str, object]:
        with run.write() as session:
            run.progress(session, done=1, total=2)
        clock.advance(jump)
        with runtime.database.read() as session:
            seen = service.to_schema(service.get(session, job_id))
            assert seen.seconds_left is None or seen.seconds_left >= 0
            assert seen.rate is None or seen.rate >= 0
        return {}

    execute(runtime, "ingest", half, job_id, threading.Event())
    job = job_of(runtime, job_id)
    assert job.started_at is not None
    assert job.finished_at is not None
    assert not duration((job.finished_at - job.started_at).total_seconds()).startswith("-")


def test_searches_are_kept_by_a_clock_that_never_jumps(clock: MovableClock) -> None:
    windows = Windows()
    window: object = object()
    search_id = windows.keep(window)  # type: ignore[arg-type]
    for jump in JUMPS:
        clock.advance(jump)
        assert windows.get(search_id) is window


def test_a_reconciliation_of_the_future_does_not_keep_later_ones_away(
    runtime: Runtime, clock: MovableClock
) -> None:
    def is_due() -> bool:
        with runtime.database.read() as session:
            return reconciling.is_due(session, 3)

    with runtime.database.write() as session:
        product(session, "A")
        service.create(session, runtime.queue, kind="ingest", actor="ann")
    clock.advance(365 * DAY)
    with runtime.database.write() as session:
        reconciling.ensure_reconcile(session, runtime.queue, ReconcileRequest(), "ann")
        for job in session.scalars(select(Job)):
            job.state, job.finished_at = "done", job.created_at
    assert not is_due()
    clock.advance(-360 * DAY)
    assert is_due()


def test_the_clock_of_these_tests_moves_leases(runtime: Runtime, clock: MovableClock) -> None:
    job_id = open_import(runtime, {"a.jpg": photo("red")})

    def look(run: Run) -> dict[str, object]:
        until = job_of(runtime, job_id).lease_until
        assert until == clock.now() + timedelta(seconds=LEASE_SECONDS)
        return {}

    execute(runtime, "ingest", look, job_id, threading.Event())
    assert job_of(runtime, job_id).state == "done"
