"""Who may work on a job: a lease in SQL with a fencing token (DESIGN, Rules of reliability).

A claim takes the next token; every later write of that worker names it and is refused once the
lease was taken away. Lease times come from the wall clock, and a jump of it costs time, never
correctness. Forwards, a living worker's lease may be reclaimed: its writes are refused from then
on, and its successor repeats the batch. Backwards, a lease seems to run longer than any can; such
a one counts as run out, so that a dead worker's job does not wait for the jump to pass.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import CursorResult, case, delete, or_, select, update
from sqlalchemy.orm import Session, object_session

from backend import clock
from backend.database import after_commit
from backend.jobs.noting import note_ended
from backend.jobs.schemas import FINISHED, TRAIN
from backend.jobs.states import HELD, Event, after
from backend.jobs.tables import Job, JobPart
from backend.metrics import LEASES_LOST

LEASE_SECONDS = 60.0
RENEW_SECONDS = 15.0
MAX_ATTEMPTS = 5
LONGEST = timedelta(seconds=2 * LEASE_SECONDS)  # clocks of several machines may differ a little


class LeaseLost(Exception):
    """The lease was taken away: whatever this worker still writes is refused."""


def claim(session: Session, job_id: str, holder: str) -> int | None:
    """Take the lease of a queued job; its fencing token, or None if it is not to be had.

    A job that another is just claiming or changing is passed over, not waited for: the message was
    only a wake-up, and the sweeper sends another while the job stays queued.
    """
    job = session.get(Job, job_id, with_for_update={"skip_locked": True}, populate_existing=True)
    if job is None or job.state != "queued":
        return None
    move(job, "claim")
    job.lease_token += 1
    job.attempts += 1
    job.error = None
    job.lease_holder = holder[:100]
    job.lease_until = clock.now() + timedelta(seconds=LEASE_SECONDS)
    job.started_at = job.started_at or clock.now()
    return job.lease_token


def renew(session: Session, job_id: str, token: int) -> bool:
    """Prolong the lease; False if it is no longer this token's."""
    until = clock.now() + timedelta(seconds=LEASE_SECONDS)
    return _update_held(session, job_id, token, {"lease_until": until})


def check(session: Session, job_id: str, token: int, *, lock: bool = False) -> Job:
    """The job, if the token still holds its lease; with `lock` nobody changes it meanwhile.

    Raises:
        LeaseLost: if the token does not hold it.
    """
    job = locked(session, job_id) if lock else session.get(Job, job_id, populate_existing=True)
    if job is None or job.lease_token != token or job.state not in HELD:
        raise LeaseLost(job_id)
    return job


def record(
    session: Session, job_id: str, token: int, progress: dict[str, Any], *, moved: bool = False
) -> None:
    """Write progress as the last statement of a worker's transaction, under its token.

    A job that has `moved` on, or has more done than ever before, is no poison: its attempts are
    counted afresh, so that only ends in the middle of one and the same step add up.

    It always writes the row (the token onto itself at least): that locks it on PostgreSQL, so
    the lease cannot be taken between this check and the commit.

    Raises:
        LeaseLost: if the token does not hold the lease; the transaction must not commit.
    """
    attempts = 1 if moved else case((Job.done < progress.get("done", 0), 1), else_=Job.attempts)
    values = {"lease_token": token, "attempts": attempts, **progress}
    if not _update_held(session, job_id, token, values):
        raise LeaseLost(job_id)


def finish(job: Job, result: dict[str, Any]) -> None:
    """The work is done."""
    move(job, "finish")
    job.result, job.stage = result, None


def fail(job: Job, error: str) -> None:
    """The work cannot be done, and why in one sentence."""
    job.error = error
    move(job, "fail")


def release(job: Job) -> None:
    """Give the lease back half-way: queued again, or cancelled if that was asked for.

    A stop that was asked for is not counted as an attempt.
    """
    move(job, "release")
    job.attempts -= 1


def lapse(job: Job, error: str) -> None:
    """Stop holding a lease without giving it back: it runs out and the job is tried again."""
    job.error = error


def expire(job: Job) -> None:
    """Take the lease of a worker that is gone; the last permitted attempt ends the job."""
    if job.state == "running" and job.attempts >= MAX_ATTEMPTS:
        fail(job, job.error or POISON.format(attempts=job.attempts))
    else:
        move(job, "expire")


def expire_overdue(session: Session) -> int:
    """Take every lease that has run out; how many there were."""
    return _expire(session, before_now=True)


def reclaim_all(session: Session) -> int:
    """Take every lease there is: for the embedded start, where no other process can hold one.

    The lock on the data folder guarantees it. The sweeper's first round wakes the workers.
    """
    reclaimed = _expire(session, before_now=False)
    freed = {"lease_token": None, "lease_holder": None, "lease_until": None}
    session.execute(update(JobPart).values(freed))
    return reclaimed


def locked(session: Session, job_id: str) -> Job | None:
    """The job as it is now; nobody else changes it until this transaction ends."""
    return session.get(Job, job_id, with_for_update=True, populate_existing=True)


def move(job: Job, event: Event) -> None:
    """Let an event happen to a job, with what every event has in common.

    Raises:
        Conflict: if it cannot happen in the job's state.
    """
    job.state = after(job.state, event)  # type: ignore[arg-type]
    if job.state not in HELD:
        job.lease_holder = job.lease_until = None
    job.finished_at = clock.now() if job.state in FINISHED else None
    if job.state in FINISHED:
        _forget_parts(job)
    if job.kind == TRAIN:
        from backend.training.following import follow  # it knows jobs too

        follow(job)


def _forget_parts(job: Job) -> None:
    """So that whoever still works on one is refused from here on."""
    if session := object_session(job):
        session.execute(delete(JobPart).where(JobPart.job_id == job.id))


def _expire(session: Session, *, before_now: bool) -> int:
    held = select(Job).where(Job.state.in_(HELD)).order_by(Job.id)
    if before_now:
        now = clock.now()
        held = held.where(or_(Job.lease_until <= now, Job.lease_until > now + LONGEST))
    jobs = session.scalars(held.with_for_update(skip_locked=True)).all()
    for job in jobs:
        expire(job)
        note_ended(session, job)
        after_commit(session, LEASES_LOST.labels(job.kind).inc)
    return len(jobs)


def _update_held(session: Session, job_id: str, token: int, values: dict[str, Any]) -> bool:
    held = (Job.id == job_id, Job.lease_token == token, Job.state.in_(HELD))
    done = session.execute(update(Job).where(*held).values(values))
    assert isinstance(done, CursorResult)  # noqa: S101 - what an UPDATE gives; for mypy
    return done.rowcount == 1


POISON = (
    "The worker stopped {attempts} times in the middle of this job: look for the cause in the "
    "log, then retry the job."
)
