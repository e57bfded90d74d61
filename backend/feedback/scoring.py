"""Asking for the candidates to be scored. The work is the workers'."""

from __future__ import annotations

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from backend.jobs import service
from backend.jobs.broker import Queue
from backend.jobs.states import LIVE
from backend.jobs.tables import Job

KIND, SUBJECT = "score", "candidates"


def ensure_score(session: Session, queue: Queue, actor: str) -> Job:
    """The job that scores the candidates, a new one unless one is waiting or at work."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext('score'))"))
    live = select(Job).where(Job.kind == KIND, Job.subject == SUBJECT, Job.state.in_(LIVE))
    job = session.scalars(live.order_by(Job.created_at)).first()
    return job or service.create(session, queue, kind=KIND, actor=actor, subject=SUBJECT)
