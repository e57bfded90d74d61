"""What people and other domains do with jobs. The worker's side of a job is lease.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy import ColumnElement, Select, func, select, text, tuple_
from sqlalchemy.orm import Session

from backend import clock
from backend.audit.service import REQUEST
from backend.database import after_commit
from backend.errors import Conflict, InvalidInput, NotFound
from backend.jobs.broker import Queue
from backend.jobs.lease import locked, move
from backend.jobs.noting import note_ended, note_steered
from backend.jobs.schemas import EMBEDS, PROGRESS, RELEASED, JobItemOut, JobOut
from backend.jobs.states import LIVE
from backend.jobs.tables import Job, JobItem
from backend.paging import Page, decode_cursor, decode_number, encode_cursor


def create(
    session: Session,
    queue: Queue,
    *,
    kind: str,
    actor: str,
    parameters: dict[str, Any] | None = None,
    subject: str | None = None,
    collecting: bool = False,
) -> Job:
    """A new job: queued, with a message sent after the commit, unless it is `collecting` first."""
    job = Job(
        id=str(uuid4()),
        kind=kind,
        state="collecting" if collecting else "queued",
        subject=subject,
        parameters=parameters or {},
        result={},
        actor=actor,
        request_id=_request_id(),
        created_at=clock.now(),
        queued_at=None if collecting else clock.now(),
    )
    session.add(job)
    session.flush()
    if not collecting:
        wake(session, queue, job)
    return job


def start(session: Session, queue: Queue, job_id: str) -> Job:
    """A collecting job has what it needs and may run.

    Raises:
        NotFound: no such job.
        Conflict: it is not collecting.
    """
    job = _to_change(session, job_id)
    move(job, "start")
    return _queued(session, queue, job)


def ensure_embed(
    session: Session,
    queue: Queue,
    gallery_id: str,
    actor: str = "akin",
    *,
    searched: bool = True,
) -> Job:
    """An embed job of this gallery that has not had its last look at the catalogue yet.

    searched: whether searches are answered from it; else the new job is a re-embed, which has
    workers of its own, so that what the catalogue gains meanwhile can be found at once.
    Call it last in a transaction: on PostgreSQL it locks the job's row, which the job's own
    final look locks too, so what this transaction adds is seen by the job or by a new one.
    """
    if session.get_bind().dialect.name == "postgresql":
        one_at_a_time = text("SELECT pg_advisory_xact_lock(hashtext(:subject))")
        session.execute(one_at_a_time, {"subject": f"embed {gallery_id}"})
    job = session.scalars(_live(EMBEDS, gallery_id).with_for_update()).first()
    kind = "embed" if searched else "reembed"
    return job or create(session, queue, kind=kind, actor=actor, subject=gallery_id)


def cancel(session: Session, job_id: str, actor: str = "akin") -> Job:
    """End a job: at once if nobody works on it, else its worker stops at the next batch.

    Raises:
        NotFound: no such job.
        Conflict: it is already finished.
    """
    job = _to_change(session, job_id)
    before = job.state
    move(job, "cancel")
    note_steered(session, job, "cancel", before, actor)
    if job.started_at is not None:
        note_ended(session, job)
    return job


def retry(session: Session, queue: Queue, job_id: str, actor: str = "akin") -> Job:
    """Run a failed or cancelled job once more, with its attempts counted afresh.

    Raises:
        NotFound: no such job.
        Conflict: it is not failed or cancelled, or another job does its work already, or it is
            an import that was cancelled before all its files had come, or whose files are gone.
    """
    job = _to_change(session, job_id)
    if job.state == "cancelled" and job.queued_at is None:
        raise Conflict("This import was cancelled before it started: send its files anew.")
    if job.result.get(RELEASED):
        raise Conflict("The files of this import are not kept any more: import them again.")
    kinds = EMBEDS if job.kind in EMBEDS else (job.kind,)
    other = session.scalars(_live(kinds, job.subject)).first() if job.subject else None
    if other is not None:
        raise Conflict(f"Job {other.id} does the same work already: watch that one.")
    before = job.state
    move(job, "retry")
    note_steered(session, job, "retry", before, actor)
    job.attempts, job.error, job.result, job.stage = 0, None, {}, None
    job.started_at = None
    return _queued(session, queue, job)


def wake(session: Session, queue: Queue, job: Job) -> None:
    """Send the job's message once the transaction is committed."""
    kind, job_id = job.kind, job.id
    after_commit(session, lambda: queue.send(kind, job_id))


def get(session: Session, job_id: str) -> Job:
    """The job.

    Raises:
        NotFound: no such job.
    """
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound(_missing(job_id))
    return job


def list_jobs(
    session: Session,
    *,
    state: str | None = None,
    kind: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[JobOut]:
    """One page of the jobs, newest first.

    Raises:
        InvalidInput: a cursor this list did not give out.
    """
    chosen: list[ColumnElement[bool]] = []
    if state is not None:
        chosen.append(Job.state == state)
    if kind is not None:
        chosen.append(Job.kind == kind)
    total = session.scalar(select(func.count()).select_from(Job).where(*chosen)) or 0
    rows = select(Job).where(*chosen, *_older_than(session, cursor))
    newest = rows.order_by(Job.created_at.desc(), Job.id.desc()).limit(limit + 1)
    jobs = session.scalars(newest).all()
    further = encode_cursor([jobs[limit - 1].id]) if len(jobs) > limit else None
    return Page(items=[to_schema(job) for job in jobs[:limit]], next_cursor=further, total=total)


def items(
    session: Session,
    job_id: str,
    *,
    state: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page[JobItemOut]:
    """One page of a job's report, in the order of its input.

    Raises:
        NotFound: no such job.
        InvalidInput: a cursor this list did not give out.
    """
    get(session, job_id)
    chosen = [JobItem.job_id == job_id]
    if state is not None:
        chosen.append(JobItem.state == state)
    total = session.scalar(select(func.count()).select_from(JobItem).where(*chosen)) or 0
    after = -1 if cursor is None else decode_number(cursor)
    rows = select(JobItem).where(*chosen, JobItem.position > after)
    found = session.scalars(rows.order_by(JobItem.position).limit(limit + 1)).all()
    further = encode_cursor([found[limit - 1].position]) if len(found) > limit else None
    shown = [JobItemOut.model_validate(item, from_attributes=True) for item in found[:limit]]
    return Page(items=shown, next_cursor=further, total=total)


def to_schema(job: Job) -> JobOut:
    """What the API says about a job."""
    shown = JobOut.model_validate(job, from_attributes=True)
    told: dict[str, Any] = job.result.get(PROGRESS, {})
    internal = {PROGRESS, RELEASED}
    shown.result = {name: value for name, value in job.result.items() if name not in internal}
    if job.state != "running":
        return shown
    if "total" in told:
        shown.done, shown.total = told["done"], told["total"]
    shown.rate = told.get("rate")
    if shown.rate and shown.total is not None:
        shown.seconds_left = round(max(shown.total - shown.done, 0) / shown.rate, 1)
    return shown


def _request_id() -> str | None:
    """Of the request that is being answered, or whose job is being done."""
    given = structlog.contextvars.get_contextvars().get(REQUEST)
    return None if given is None else str(given)[:100]


def _queued(session: Session, queue: Queue, job: Job) -> Job:
    job.queued_at = clock.now()
    wake(session, queue, job)
    return job


def _to_change(session: Session, job_id: str) -> Job:
    job = locked(session, job_id)
    if job is None:
        raise NotFound(_missing(job_id))
    return job


def _live(kinds: Sequence[str], subject: str | None) -> Select[Job]:
    return (
        select(Job)
        .where(Job.kind.in_(kinds), Job.subject == subject, Job.state.in_(LIVE))
        .order_by(Job.created_at)
    )


def _older_than(session: Session, cursor: str | None) -> list[ColumnElement[bool]]:
    if cursor is None:
        return []
    last = session.get(Job, decode_cursor(cursor, 1)[0])
    if last is None:
        raise InvalidInput(_STRANGE_CURSOR)
    return [tuple_(Job.created_at, Job.id) < tuple_(last.created_at, last.id)]


def _missing(job_id: str) -> str:
    return f"There is no job {job_id}: `akin jobs list` shows those there are."


_STRANGE_CURSOR = (
    "The cursor is not one this list gave out: leave it away to start from the first page."
)
