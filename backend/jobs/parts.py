"""The parts of a job that several workers share: stretches of its work, each with its own lease.

Who holds the job's lease is its lead: it alone cuts parts, and finishes, fails or gives back the
job. Work on a part is guarded by the part's lease alone, whoever does it, so the end of a lead does
not disturb the others. A part exists while its job is live, and is deleted once it is done; a job
that is over has none, so nothing more can be written for it.

Whoever locks both locks the job's row first and the part's second.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Update,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from backend import clock
from backend.database import after_commit
from backend.jobs.lease import LEASE_SECONDS, LONGEST, MAX_ATTEMPTS, LeaseLost
from backend.jobs.states import LIVE
from backend.jobs.tables import Job, JobPart
from backend.metrics import LEASES_LOST


@dataclass(frozen=True, slots=True)
class Part:
    """A claimed part: the stretch from `first` to `last`, both inclusive, and its token."""

    job_id: str
    number: int
    first: int
    last: int
    token: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How many parts a job has, and how many of them are free; `spent` were begun too often."""

    parts: int
    free: int
    spent: int


def cut(session: Session, job_id: str, stretches: Iterable[tuple[int, int]]) -> None:
    """Add parts behind those there are; for the job's lead."""
    last = session.scalar(select(func.max(JobPart.number)).where(JobPart.job_id == job_id))
    begin = 0 if last is None else last + 1
    rows = [
        {"job_id": job_id, "number": number, "first": first, "last": last, "attempts": 0}
        for number, (first, last) in enumerate(stretches, begin)
    ]
    if rows:
        session.execute(insert(JobPart), rows)


def claim(
    session: Session,
    job_id: str,
    holder: str,
    *,
    leads: bool = False,
    but: Collection[int] = (),
) -> Part | None:
    """Take the lease of the first part that is to be had and not among `but`; None without one.

    One that somebody began and did not finish is left to the lead: so whatever is wrong with it
    shows where a job can be ended with its reason, and costs one worker a time.
    """
    lives = select(Job.id).where(Job.id == job_id, Job.state.in_(LIVE)).exists()
    begun = JobPart.attempts < MAX_ATTEMPTS if leads else JobPart.attempts == 0
    to_be_had = (JobPart.job_id == job_id, lives, begun, _free(), JobPart.number.not_in(but))
    first = select(JobPart).where(*to_be_had).order_by(JobPart.number).limit(1)
    locked = first.with_for_update(skip_locked=True).execution_options(populate_existing=True)
    part = session.scalar(locked)
    if part is None:
        return None
    if part.lease_until is not None:
        kind = session.get_one(Job, job_id).kind
        after_commit(session, LEASES_LOST.labels(kind).inc)
    part.attempts += 1
    part.lease_token, part.lease_holder = str(uuid4()), holder[:100]
    part.lease_until = clock.now() + timedelta(seconds=LEASE_SECONDS)
    return Part(job_id, part.number, part.first, part.last, part.lease_token, part.attempts)


def renew(session: Session, part: Part) -> bool:
    """Prolong the lease; False if it is no longer this token's."""
    until = clock.now() + timedelta(seconds=LEASE_SECONDS)
    return _did(session, _held(part).values(lease_until=until))


def check(session: Session, part: Part) -> Job:
    """The part's job as it is now, if the token still holds the part's lease.

    Raises:
        LeaseLost: if it does not, or the job is over.
    """
    row = session.get(JobPart, (part.job_id, part.number), populate_existing=True)
    if row is None or row.lease_token != part.token:
        raise LeaseLost(part.job_id)
    return session.get_one(Job, part.job_id, populate_existing=True)


def record(session: Session, part: Part, values: dict[str, Any], *, moved: bool) -> None:
    """End a worker's transaction under the part's token: `values` go onto the job's row.

    With `moved` the attempts of both are counted afresh. It always writes the part's row, so the
    lease cannot be taken between this and the commit.

    Raises:
        LeaseLost: if the token does not hold the lease; the transaction must not commit.
    """
    counted = values | ({"attempts": 1} if moved else {})
    if counted:
        session.execute(update(Job).where(Job.id == part.job_id).values(counted))
    afresh: dict[str, Any] = {"attempts": 1} if moved else {}
    if not _did(session, _held(part).values(lease_token=part.token, **afresh)):
        raise LeaseLost(part.job_id)


def finish(session: Session, part: Part) -> None:
    """The part is done. Nothing happens where the lease was lost."""
    session.execute(delete(JobPart).where(*_of(part)))


def give_back(session: Session, part: Part, *, counted: bool) -> None:
    """Let go of the part half-way; nothing happens where the lease was lost.

    counted: whether this was an attempt, so that only the lead takes it again.
    """
    given = {"lease_token": None, "lease_holder": None, "lease_until": None}
    attempts = {} if counted else {"attempts": JobPart.attempts - 1}
    session.execute(_held(part).values(given | attempts))


def standing(session: Session, job_id: str) -> Standing:
    """How far a job's parts are."""
    spent = _free() & (JobPart.attempts >= MAX_ATTEMPTS)
    counts = (func.count(), func.count().filter(_free()), func.count().filter(spent))
    return Standing(*session.execute(select(*counts).where(JobPart.job_id == job_id)).one())


def jobs_to_share(session: Session) -> list[tuple[str, str]]:
    """Kind and id of the running jobs that have parts for anyone, the oldest first."""
    fresh = (JobPart.lease_until.is_(None), JobPart.attempts == 0)
    some = select(JobPart.number).where(JobPart.job_id == Job.id, *fresh).exists()
    running = select(Job.kind, Job.id).where(Job.state == "running", some).order_by(Job.queued_at)
    return [(kind, job_id) for kind, job_id in session.execute(running)]


def _free() -> ColumnElement[bool]:
    """Nobody holds it, or whoever did is gone; see `backend.jobs.lease` about the clock."""
    until, now = JobPart.lease_until, clock.now()
    return or_(until.is_(None), until <= now, until > now + LONGEST)


def _of(part: Part) -> tuple[ColumnElement[bool], ...]:
    named = (JobPart.job_id == part.job_id, JobPart.number == part.number)
    return (*named, JobPart.lease_token == part.token)


def _held(part: Part) -> Update:
    return update(JobPart).where(*_of(part)).execution_options(synchronize_session=False)


def _did(session: Session, statement: Update) -> bool:
    done = session.execute(statement)
    assert isinstance(done, CursorResult)  # noqa: S101 - what an UPDATE gives; for mypy
    return done.rowcount == 1
