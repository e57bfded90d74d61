"""What a task's body is given: one run of one job under its lease."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from backend.database import after_commit
from backend.jobs import lease, service
from backend.jobs.lease import LeaseLost
from backend.jobs.noting import note_ended
from backend.jobs.schemas import PROGRESS
from backend.jobs.tables import Job
from backend.runtime import Runtime
from workers.pace import Pace
from workers.renewal import Renewal


class Stopped(Exception):
    """The body ended early because it was asked to."""


def shrunk(size: int, attempt: int) -> int:
    """A quarter of `size` for each end in the midst that came before, and one at last."""
    return max(1, size >> 2 * (attempt - 1))


class Run:
    """A claimed job in the hands of a worker; every write goes through it and under its token."""

    def __init__(
        self, runtime: Runtime, job: Job, renewal: Renewal, shutdown: threading.Event
    ) -> None:
        self.runtime = runtime
        self.job_id = job.id
        self.kind = job.kind
        self.subject = job.subject
        self.parameters: Mapping[str, Any] = dict(job.parameters)
        self.ended = False
        self._token = job.lease_token
        self._renewal = renewal
        self._shutdown = shutdown
        self._pace = Pace()
        self._stage: str | None = None
        self._attempt = job.attempts
        self._moved = False

    @property
    def stopping(self) -> bool:
        """Whether to stop at the next batch: cancelled, shutting down, or the lease is lost."""
        return self._renewal.cancelling or self._renewal.lost or self._shutdown.is_set()

    def checkpoint(self) -> None:
        """Stop here if asked to; call it between batches.

        Raises:
            Stopped: if the run is to stop.
        """
        if self.stopping:
            raise Stopped(self.job_id)

    def check(self) -> None:
        """See that the lease is ours at this moment: right before a write that is not SQL's.

        Raises:
            LeaseLost: if another worker may have the job by now.
        """
        with self._held(), self.read() as session:
            lease.check(session, self.job_id, self._token)

    def read(self) -> AbstractContextManager[Session]:
        """A read transaction."""
        return self.runtime.database.read()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A write transaction that is kept only while the lease is ours.

        Raises:
            LeaseLost: if another worker may have the job by now; nothing is kept.
        """
        with self._held(), self.runtime.database.write() as session:
            job = lease.check(session, self.job_id, self._token)
            self._renewal.cancelling = job.state == "cancelling"
            yield session
            session.flush()
            progress, moved = session.info.get("progress", {}), session.info.get("moved", False)
            lease.record(session, self.job_id, self._token, progress, moved=moved)
            after_commit(session, partial(self._move, moved=moved or "done" in progress))

    def at_once(self, size: int) -> int:
        """How much to take on in one step: `size`, or less where the last runs ended in the midst.

        A quarter for each of them, and one thing at last, until a step is done: so a machine that
        dies again and again gets on, and one bad thing does not take its whole batch with it.
        """
        return size if self._moved else shrunk(size, self._attempt)

    def count(self, session: Session, *, done: int, failed: int = 0) -> None:
        """Add to what is done and, of that, refused; kept with the write transaction.

        Others may count at the same moment, where the job is shared.
        """
        if done:
            pace = {PROGRESS: {"rate": self.rate(session, done)}}
            added = {"done": Job.done + done, "failed": Job.failed + failed, "result": pace}
            session.info.setdefault("progress", {}).update(added)

    def rate(self, session: Session, done: int) -> float | None:
        """How fast the job goes, whoever does it, once so many more are done."""
        before = session.scalar(select(Job.done).where(Job.id == self.job_id)) or 0
        return self._pace.after(before + done)

    def progress(
        self,
        session: Session,
        *,
        stage: str | None = None,
        done: int | None = None,
        failed: int | None = None,
        total: int | ColumnElement[int] | None = None,
        checked: tuple[int, int] | None = None,
        moved: bool = False,
    ) -> None:
        """Say how far the job is, in whole numbers so far; kept with the write transaction.

        stage: what it is at now; the rate is of this stage, and counted anew in another.
        moved: that it got on by a step which `done` does not count.
        checked: how many of how many things have been looked at, while the total is not known.
        """
        told = {"stage": stage, "done": done, "failed": failed, "total": total}
        given: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
        if stage not in (None, self._stage):
            self._pace, self._stage = Pace(), stage
        if done is not None:
            given["result"] = {PROGRESS: {"rate": self._pace.after(done)}}
        elif checked is not None:
            given["result"] = {PROGRESS: {"done": checked[0], "total": checked[1]}}
        session.info.setdefault("progress", {}).update(given)
        session.info["moved"] = session.info.get("moved", False) or moved

    def finish(
        self,
        result: dict[str, Any],
        unless: Callable[[Session], bool] | None = None,
        also: Callable[[Session], None] | None = None,
    ) -> bool:
        """End the job as done, unless there is still something to do; whether it ended.

        `unless` is asked with the job's row locked, so work that is added at the same moment
        is either seen by it, or finds the job finished and opens another. `also` writes what is to
        be there if and only if the job is done.

        Raises:
            LeaseLost: if the lease is no longer ours.
        """
        with self._locked() as (session, job):
            if unless is not None and unless(session):
                return False
            if also is not None:
                also(session)
            lease.finish(job, result)
        self.ended = True
        return True

    def fail(self, error: str) -> None:
        """End the job as failed, with the reason in one sentence."""
        with self._locked() as (_, job):
            lease.fail(job, error)

    def release(self) -> None:
        """Give the job back: to the queue, or cancelled if that was asked for."""
        with self._locked() as (session, job):
            lease.release(job)
            if job.state == "queued":
                service.wake(session, self.runtime.queue, job)

    def lapse(self, error: str) -> None:
        """Let the lease run out, so that the job is tried again in a minute."""
        with self._locked() as (_, job):
            lease.lapse(job, error)

    def _move(self, *, moved: bool) -> None:
        self._moved = self._moved or moved

    @contextmanager
    def _locked(self) -> Iterator[tuple[Session, Job]]:
        with self._held(), self.runtime.database.write() as session:
            job = lease.check(session, self.job_id, self._token, lock=True)
            yield session, job
            note_ended(session, job)

    @contextmanager
    def _held(self) -> Iterator[None]:
        try:
            yield
        except LeaseLost:
            self._renewal.lost = True
            raise
