"""Keeping a lease: a thread of its own renews it, whatever the task is busy with."""

from __future__ import annotations

import threading
from typing import Self

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend import clock
from backend.database import Database
from backend.jobs import lease, parts
from backend.jobs.lease import LEASE_SECONDS, RENEW_SECONDS, LeaseLost
from backend.jobs.parts import Part
from backend.jobs.tables import Job

LOOK_SECONDS = 0.5

log = structlog.get_logger()


class Renewal:
    """While entered, renews the lease of a job every 15 s and watches for its loss or a wish to
    cancel."""

    def __init__(self, database: Database, job_id: str, token: int) -> None:
        self._database = database
        self._job_id = job_id
        self._token = token
        self._left = threading.Event()
        self._renewed = clock.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"lease {job_id}", daemon=True)
        self.lost = False
        self.cancelling = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _run(self) -> None:
        while not self.lost and not self._left.wait(LOOK_SECONDS):
            try:
                self._look()
            except LeaseLost:
                self.lost = True
            except SQLAlchemyError as error:
                self._unreachable(error)

    def _look(self) -> None:
        if clock.monotonic() - self._renewed >= RENEW_SECONDS:
            self._renew()
        with self._database.read() as session:
            self.cancelling = self._check_lease(session).state == "cancelling"

    def _renew(self) -> None:
        begun = clock.monotonic()
        with self._database.write() as session:
            if not self._renew_lease(session):
                raise LeaseLost(self._job_id)
        self._renewed = begun

    def _check_lease(self, session: Session) -> Job:
        return lease.check(session, self._job_id, self._token)

    def _renew_lease(self, session: Session) -> bool:
        return lease.renew(session, self._job_id, self._token)

    def _unreachable(self, error: SQLAlchemyError) -> None:
        log.warning("lease not renewed", job=self._job_id, error=str(error))
        self.lost = clock.monotonic() - self._renewed >= LEASE_SECONDS


class PartRenewal(Renewal):
    """The same for the lease of a part."""

    def __init__(self, database: Database, part: Part) -> None:
        super().__init__(database, part.job_id, 0)
        self._part = part

    def _check_lease(self, session: Session) -> Job:
        return parts.check(session, self._part)

    def _renew_lease(self, session: Session) -> bool:
        return parts.renew(session, self._part)
