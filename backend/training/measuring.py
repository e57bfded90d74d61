"""Asking for finished versions to be measured on held-out triplets. The work is the workers'."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from backend.errors import InvalidInput
from backend.jobs import service as jobs
from backend.jobs.broker import Queue
from backend.jobs.schemas import COMPARE, EVALUATE
from backend.jobs.states import LIVE
from backend.jobs.tables import Job
from backend.registry.lifecycle import check_finished, version_row
from backend.registry.tables import ModelVersion
from backend.training.measuring_schemas import CompareRequest


def measure(session: Session, queue: Queue, version_id: str, actor: str) -> Job:
    """The job that measures a version, a new one unless one is waiting or at work.

    Raises:
        NotFound: no such version.
        Conflict: if it has no weights.
    """
    version = _finished(session, version_id)
    parameters = {"version": version.name}
    return _ensure(session, queue, EVALUATE, version.id, parameters, actor)


def compare(session: Session, queue: Queue, request: CompareRequest, actor: str) -> Job:
    """The job that compares two versions, a new one unless one is waiting or at work.

    Raises:
        NotFound: no such version.
        Conflict: if one of them has no weights.
        InvalidInput: if they are one and the same.
    """
    a, b = (_finished(session, one) for one in (request.a, request.b))
    if a.id == b.id:
        raise InvalidInput(f"{a.name} cannot be compared with itself: name two versions.")
    parameters = {"a": a.id, "b": b.id, "versions": [a.name, b.name]}
    return _ensure(session, queue, COMPARE, f"{a.id} {b.id}", parameters, actor)


def _ensure(
    session: Session, queue: Queue, kind: str, subject: str, parameters: dict[str, Any], by: str
) -> Job:
    if session.get_bind().dialect.name == "postgresql":
        one_at_a_time = text("SELECT pg_advisory_xact_lock(hashtext(:subject))")
        session.execute(one_at_a_time, {"subject": f"{kind} {subject}"})
    live = select(Job).where(Job.kind == kind, Job.subject == subject, Job.state.in_(LIVE))
    job = session.scalars(live.order_by(Job.created_at)).first()
    return job or jobs.create(
        session, queue, kind=kind, actor=by, parameters=parameters, subject=subject
    )


def _finished(session: Session, version_id: str) -> ModelVersion:
    version = version_row(session, version_id)
    check_finished(version)
    return version
