"""A part of a job in the hands of a worker, whether it leads the job or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend.database import after_commit
from backend.jobs import parts
from backend.jobs.lease import LeaseLost
from backend.jobs.parts import Part
from backend.jobs.schemas import PROGRESS
from backend.jobs.tables import Job
from backend.runtime import Runtime
from workers.renewal import PartRenewal
from workers.run import Stopped, shrunk

Rate = Callable[[Session, int], float | None]

log = structlog.get_logger()


class Share:
    """A claimed part; every write goes through it and under the part's token."""

    ended = False

    def __init__(
        self,
        runtime: Runtime,
        job: Job,
        part: Part,
        renewal: PartRenewal,
        stopping: Callable[[], bool],
        rate: Rate | None,
    ) -> None:
        """stopping: whether the worker is to stop for another reason than the part's or the job's.
        rate: tells the pace of the whole job, which is the lead's to tell."""
        self.runtime = runtime
        self.job_id = job.id
        self.kind = job.kind
        self.subject = job.subject
        self.parameters: Mapping[str, Any] = dict(job.parameters)
        self.request_id = job.request_id
        self.part = part
        self._renewal = renewal
        self._stopping = stopping
        self._rate = rate
        self._moved = False

    def checkpoint(self) -> None:
        """Stop here if asked to; call it between batches.

        Raises:
            LeaseLost: if another worker may have the part by now, or the job is over.
            Stopped: if the job is being cancelled, or the worker shuts down.
        """
        if self._renewal.lost:
            raise LeaseLost(self.job_id)
        if self._renewal.cancelling or self._stopping():
            raise Stopped(self.job_id)

    def check(self) -> None:
        """See that the lease is ours at this moment: right before a write that is not SQL's.

        Raises:
            LeaseLost: if another worker may have the part by now, or the job is over.
        """
        with self._held(), self.read() as session:
            parts.check(session, self.part)

    def read(self) -> AbstractContextManager[Session]:
        """A read transaction."""
        return self.runtime.database.read()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A write transaction that is kept only while the lease is ours.

        Raises:
            LeaseLost: if another worker may have the part by now, or the job is over; nothing is
                kept.
        """
        with self._held(), self.runtime.database.write() as session:
            self._renewal.cancelling = parts.check(session, self.part).state == "cancelling"
            yield session
            session.flush()
            counted = session.info.get("progress", {})
            parts.record(session, self.part, counted, moved=bool(counted))
            if counted:
                after_commit(session, self._move)

    def at_once(self, size: int) -> int:
        """How much to take on in one step: `size`, or less where the last claims ended in the
        midst, until a step is done; see `Run.at_once`."""
        return size if self._moved else shrunk(size, self.part.attempt)

    def count(self, session: Session, *, done: int, failed: int = 0) -> None:
        """Add to what is done and, of that, refused; kept with the write transaction."""
        if done:
            added: dict[str, Any] = {"done": Job.done + done, "failed": Job.failed + failed}
            if self._rate is not None:
                added["result"] = {PROGRESS: {"rate": self._rate(session, done)}}
            session.info.setdefault("progress", {}).update(added)

    def _move(self) -> None:
        self._moved = True

    @contextmanager
    def _held(self) -> Iterator[None]:
        try:
            yield
        except LeaseLost:
            self._renewal.lost = True
            raise


PartBody = Callable[[Share], bool]
"""Does what is left of a part; False where it has to wait for other parts."""
_BODIES: dict[str, PartBody] = {}


def part_of(*kinds: str) -> Callable[[PartBody], PartBody]:
    """Make a function what a worker that does not lead does on a part of jobs of these kinds."""

    def register(body: PartBody) -> PartBody:
        _BODIES.update(dict.fromkeys(kinds, body))
        return body

    return register


def part_body(kind: str) -> PartBody | None:
    """What is done on a part of such a job; None where such jobs are not shared."""
    return _BODIES.get(kind)


def is_shared(runtime: Runtime) -> bool:
    """Whether there may be several workers: not where the only one is in the API's process, whose
    second lane is for other imports."""
    return not runtime.queue.in_process


@contextmanager
def claimed(
    runtime: Runtime,
    part: Part,
    stopping: Callable[[], bool],
    *,
    leads: bool = False,
    rate: Rate | None = None,
) -> Iterator[Share]:
    """A claimed part in the worker's hands: its lease is kept, and given back if the work fails.

    An end that was asked for is not counted as an attempt, nor is the lead's, who ends the job.
    leads: whether it is the lead's. stopping, rate: as for `Share`.

    Raises:
        LeaseLost: if it is lost already.
    """
    with PartRenewal(runtime.database, part) as renewal:
        with runtime.database.read() as session:
            job = parts.check(session, part)
        try:
            yield Share(runtime, job, part, renewal, stopping, rate)
        except LeaseLost:
            raise
        except Exception as error:
            counted = not leads and not isinstance(error, Stopped)
            _give_back(runtime, part, counted=counted)
            raise


def conclude(share: Share, *, finished: bool) -> None:
    """The part is done, or is put off until other parts are."""
    with share.runtime.database.write() as session:
        if finished:
            parts.finish(session, share.part)
        else:
            parts.give_back(session, share.part, counted=False)


def _give_back(runtime: Runtime, part: Part, *, counted: bool) -> None:
    try:
        with runtime.database.write() as session:
            parts.give_back(session, part, counted=counted)
    except SQLAlchemyError as error:
        log.warning("part not given back, its lease will run out", error=str(error))
