"""Asking for a reconciliation: by a person, or by the night. The work is the workers'."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from backend import clock
from backend.errors import Conflict
from backend.jobs import service
from backend.jobs.broker import Queue
from backend.jobs.noting import note_asked
from backend.jobs.schemas import FINISHED, ReconcileRequest
from backend.jobs.tables import Job

KIND = "reconcile"
PATIENCE = timedelta(hours=3)
"""So long the nightly round waits for an hour without other jobs."""


def ensure_reconcile(session: Session, queue: Queue, request: ReconcileRequest, actor: str) -> Job:
    """The job that does this, a new one unless it is under way.

    Raises:
        Conflict: if one is under way that was asked to do something else.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext('reconcile'))"))
    parameters = request.model_dump(mode="json")
    unfinished = select(Job).where(Job.kind == KIND, Job.state.not_in(FINISHED))
    job = session.scalars(unfinished.order_by(Job.created_at)).first()
    if job is None:
        job = service.create(session, queue, kind=KIND, actor=actor, parameters=parameters)
        note_asked(session, job, actor)
        return job
    if job.parameters != parameters:
        raise Conflict(f"Job {job.id} reconciles already: wait for it, or cancel it.")
    return job


def is_due(session: Session, hour: int) -> bool:
    """Whether the reconciliation of the day is to begin now.

    hour: from when on, by this machine's clock. It waits for an hour without other jobs, but not
    longer than `PATIENCE`; a new installation waits for its first night.
    """
    due = _last_time(hour)
    # One of the future was begun before the clock was set back, and must not keep others away.
    past = Job.created_at <= clock.now()
    since = session.scalar(select(func.max(Job.created_at)).where(Job.kind == KIND, past))
    since = since or session.scalar(select(func.min(Job.created_at)))
    if since is None or since >= due:
        return False
    at_work = select(Job.kind).where(Job.state.not_in({*FINISHED, "collecting"})).distinct()
    kinds = set(session.scalars(at_work))
    return not kinds or (KIND not in kinds and clock.now() - due >= PATIENCE)


def _last_time(hour: int) -> datetime:
    here = clock.now().astimezone()
    today = here.replace(hour=hour, minute=0, second=0, microsecond=0)
    return today if today <= here else today - timedelta(days=1)
