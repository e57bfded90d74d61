"""Whatever happens in whatever order: of a job that is shared, every item is done exactly once."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from backend.database import Database
from backend.jobs import lease, parts, service
from backend.jobs.broker import Queue
from backend.jobs.lease import LeaseLost
from backend.jobs.parts import Part
from backend.jobs.schemas import FINISHED
from backend.jobs.states import HELD
from backend.jobs.sweeping import sweep
from backend.jobs.tables import Job, JobItem, JobPart
from tests.conftest import MovableClock, empty

ITEMS, PART = 12, 3
WORKERS = st.integers(0, 3)


class Sharing(RuleBasedStateMachine):
    """Four workers, one user and the sweeper around one job. `open_database` is set by the test."""

    template: Path | None
    postgres: Database | None

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.database = self.opened()
        self.queue = Queue("memory://")
        self.clock = MovableClock()
        self.moving = patch("backend.clock.now", self.clock.now)
        self.moving.start()
        self.leads: dict[int, int] = {}
        self.held: dict[int, Part] = {}
        self.written: list[int] = []
        with self.database.write() as session:
            self.job_id = service.create(session, self.queue, kind="ingest", actor="ann").id
            session.flush()
            names = [JobItem(job_id=self.job_id, position=n, name=str(n)) for n in range(ITEMS)]
            session.add_all(names)

    def opened(self) -> Database:
        if self.postgres is not None:
            empty(self.postgres)
            return self.postgres
        assert self.template is not None
        shutil.copy(self.template, self.folder.name)
        return Database(f"sqlite:///{self.folder.name}/{self.template.name}")

    def teardown(self) -> None:
        self.moving.stop()
        if self.postgres is None:
            self.database.close()
        self.folder.cleanup()

    def job(self) -> Job:
        with self.database.read() as session:
            return session.get_one(Job, self.job_id)

    def pending(self) -> list[int]:
        mine = (JobItem.job_id == self.job_id, JobItem.state == "pending")
        with self.database.read() as session:
            return list(session.scalars(select(JobItem.position).where(*mine)))

    @rule(worker=WORKERS)
    def message(self, worker: int) -> None:
        """Who gets the job's lease leads, and cuts what is not cut; another takes a part."""
        with self.database.write() as session:
            token = lease.claim(session, self.job_id, f"worker {worker}")
        if token is not None:
            self.leads[worker] = token
            if not self.rows():
                with self.database.write() as session:
                    starts = sorted({n - n % PART for n in self.pending()})
                    parts.cut(session, self.job_id, [(n, n + PART - 1) for n in starts])
        elif worker not in self.held:
            self.take(worker, leads=False)

    @precondition(lambda self: self.leads)
    @rule(worker=WORKERS)
    def lead_takes_a_part(self, worker: int) -> None:
        if worker in self.leads and worker not in self.held:
            self.take(worker, leads=True)

    def take(self, worker: int, *, leads: bool) -> None:
        with self.database.write() as session:
            part = parts.claim(session, self.job_id, f"worker {worker}", leads=leads)
        if part is not None:
            self.held[worker] = part

    @precondition(lambda self: self.held)
    @rule(worker=WORKERS)
    def work(self, worker: int) -> None:
        """One item, or the end of the part; a worker does not know whether its lease was taken."""
        worker = sorted(self.held)[worker % len(self.held)]
        part = self.held[worker]
        entitled = part.token in self.tokens()
        try:
            self.do_one(part)
            assert entitled
        except LeaseLost:
            assert not entitled
            del self.held[worker]

    def do_one(self, part: Part) -> None:
        with self.database.write() as session:
            parts.check(session, part)
            mine = (JobItem.job_id == self.job_id, JobItem.state == "pending")
            within = JobItem.position.between(part.first, part.last)
            item = session.scalar(select(JobItem).where(*mine, within).limit(1))
            if item is None:
                parts.finish(session, part)
                return
            item.state = "done"
            position = item.position
            session.flush()
            parts.record(session, part, {"done": Job.done + 1}, moved=True)
        self.written.append(position)

    @precondition(lambda self: self.held)
    @rule(worker=WORKERS, counted=st.booleans())
    def give_back(self, worker: int, counted: bool) -> None:
        worker = sorted(self.held)[worker % len(self.held)]
        with self.database.write() as session:
            parts.give_back(session, self.held.pop(worker), counted=counted)

    @rule(worker=WORKERS)
    def killed(self, worker: int) -> None:
        self.leads.pop(worker, None)
        self.held.pop(worker, None)

    @precondition(lambda self: self.leads)
    @rule(worker=WORKERS)
    def lead_ends(self, worker: int) -> None:
        """It finishes once no part is left, and else gives the job back."""
        worker = sorted(self.leads)[worker % len(self.leads)]
        token = self.leads.pop(worker)
        try:
            with self.database.write() as session:
                job = lease.check(session, self.job_id, token, lock=True)
                if parts.standing(session, self.job_id).parts:
                    lease.release(job)
                else:
                    lease.finish(job, {})
        except LeaseLost:
            pass

    @rule(seconds=st.sampled_from([1.0, 20.0, 61.0, 3600.0, -3600.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def sweeper(self) -> None:
        sweep(self.database, self.queue)

    @rule(asked=st.sampled_from(["cancel", "retry", "retry"]))
    def user(self, asked: str) -> None:
        state = self.job().state
        if asked == "cancel" and state not in FINISHED:
            with self.database.write() as session:
                service.cancel(session, self.job_id)
        elif asked == "retry" and state in {"failed", "cancelled"}:
            with self.database.write() as session:
                service.retry(session, self.queue, self.job_id)

    def rows(self) -> list[JobPart]:
        with self.database.read() as session:
            return list(session.scalars(select(JobPart).where(JobPart.job_id == self.job_id)))

    def tokens(self) -> set[str | None]:
        return {row.lease_token for row in self.rows()}

    @invariant()
    def every_item_is_written_once(self) -> None:
        assert len(self.written) == len(set(self.written)) == self.job().done
        assert sorted([*self.written, *self.pending()]) == list(range(ITEMS))

    @invariant()
    def parts_hold_all_that_is_pending_while_somebody_works(self) -> None:
        rows, job = self.rows(), self.job()
        assert not rows or job.state not in FINISHED
        assert job.state != "done" or not self.pending()
        assert job.lease_holder is None or job.state in HELD
        if rows:
            covered = {n for row in rows for n in range(row.first, row.last + 1)}
            assert set(self.pending()) <= covered
        tokens = [row.lease_token for row in rows if row.lease_token is not None]
        assert len(tokens) == len(set(tokens))


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize(
    ("kind", "examples"),
    [
        ("sqlite", 12),
        pytest.param("postgres", 6, marks=pytest.mark.services),
        pytest.param("sqlite", 60, marks=pytest.mark.slow),
        pytest.param("postgres", 20, marks=[pytest.mark.slow, pytest.mark.services]),
    ],
)
def test_no_order_of_events_does_an_item_twice_or_never(
    request: pytest.FixtureRequest, kind: str, examples: int
) -> None:
    on_sqlite = kind == "sqlite"
    Sharing.template = request.getfixturevalue("migrated_sqlite") if on_sqlite else None
    Sharing.postgres = None if on_sqlite else request.getfixturevalue("postgres_database")
    run_state_machine_as_test(
        Sharing,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
