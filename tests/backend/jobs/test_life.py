"""Whatever happens in whatever order: one valid token at a time, and finished means finished."""

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

from backend.database import Database
from backend.errors import Conflict
from backend.jobs import lease, service
from backend.jobs.broker import Queue
from backend.jobs.lease import LeaseLost
from backend.jobs.schemas import FINISHED
from backend.jobs.states import HELD
from backend.jobs.sweeping import sweep
from backend.jobs.tables import Job
from tests.conftest import MovableClock

WORKERS = st.integers(0, 2)


class Life(RuleBasedStateMachine):
    """Three workers, one user and the sweeper around one job. `template` is set by the test."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        shutil.copy(self.template, self.folder.name)
        self.database = Database(f"sqlite:///{self.folder.name}/{self.template.name}")
        self.queue = Queue("memory://")
        self.clock = MovableClock()
        self.moving = patch("backend.clock.now", self.clock.now)
        self.moving.start()
        self.tokens: dict[int, int] = {}
        self.latest = 0
        self.finished = False
        with self.database.write() as session:
            self.job_id = service.create(session, self.queue, kind="ingest", actor="ann").id

    def teardown(self) -> None:
        self.moving.stop()
        self.database.close()
        self.folder.cleanup()

    def job(self) -> Job:
        with self.database.read() as session:
            return session.get_one(Job, self.job_id)

    def attempt(self, event: str) -> None:
        try:
            with self.database.write() as session:
                if event == "cancel":
                    service.cancel(session, self.job_id)
                else:
                    getattr(service, event)(session, self.queue, self.job_id)
                    self.finished = False
        except Conflict:
            pass

    @rule(event=st.sampled_from(["start", "cancel", "retry", "retry"]))
    def user(self, event: str) -> None:
        self.attempt(event)

    @rule(worker=WORKERS)
    def message(self, worker: int) -> None:
        with self.database.write() as session:
            token = lease.claim(session, self.job_id, f"worker {worker}")
        if token is not None:
            assert not self.finished, "a finished job ran again without a retry"
            assert token > self.latest, "a token was given out twice"
            self.latest = self.tokens[worker] = token

    @precondition(lambda self: self.tokens)
    @rule(
        worker=WORKERS,
        act=st.sampled_from(["renew", "write", "finish", "fail", "lapse", "release"]),
    )
    def work(self, worker: int, act: str) -> None:
        """A worker does not know whether its lease was taken meanwhile."""
        worker = sorted(self.tokens)[worker % len(self.tokens)]
        token, job = self.tokens[worker], self.job()
        entitled = job.state in HELD and token == job.lease_token
        assert self.accepted(token, act) == entitled
        if act in {"finish", "fail", "lapse", "release"}:
            del self.tokens[worker]

    def accepted(self, token: int, act: str) -> bool:
        try:
            with self.database.write() as session:
                if act == "renew":
                    return lease.renew(session, self.job_id, token)
                job = lease.check(session, self.job_id, token)
                if act == "write":
                    lease.record(session, self.job_id, token, {"done": job.done + 1})
                elif act == "finish":
                    lease.finish(job, {})
                elif act in {"fail", "lapse"}:
                    getattr(lease, act)(job, "It broke.")
                else:
                    lease.release(job)
        except LeaseLost:
            return False
        return True

    @rule(seconds=st.sampled_from([1.0, 20.0, 61.0, 3600.0, -30.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def sweeper(self) -> None:
        sweep(self.database, self.queue)

    @rule()
    def restart(self) -> None:
        with self.database.write() as session:
            lease.reclaim_all(session)

    @invariant()
    def the_row_makes_sense(self) -> None:
        job = self.job()
        held = job.state in HELD
        self.finished = self.finished or job.state in FINISHED
        assert sum(token == job.lease_token for token in self.tokens.values()) <= 1
        assert (job.lease_holder is not None) == (job.lease_until is not None) == held
        assert self.finished == (job.state in FINISHED) == (job.finished_at is not None)
        assert job.error is None or job.state != "done"
        assert job.error is not None or job.state != "failed"
        assert 0 <= job.attempts <= lease.MAX_ATTEMPTS


@pytest.mark.usefixtures("queue")
def test_no_order_of_events_breaks_the_rules(migrated_sqlite: Path) -> None:
    Life.template = migrated_sqlite
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
