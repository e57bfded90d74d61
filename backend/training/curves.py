"""Curves and log of training jobs in SQL, where every API process and worker sees them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from backend import clock
from backend.training.schemas import CurvesOut, LogLineOut, LogOut, PointOut
from backend.training.tables import TrainingLogLine, TrainingPoint

LOG_LINES = 1_000
LONGEST_TEXT = 1_000


def add_points(session: Session, job_id: str, points: Sequence[PointOut]) -> None:
    """Add points in the order of their steps; those that are there from the first of them on go,
    for a run that resumed tells them again."""
    if not points:
        return
    _forget_from(session, job_id, points[0].step)
    rows = [{"job_id": job_id, "measured": bool(one.figures), **one.model_dump()} for one in points]
    session.execute(insert(TrainingPoint), rows)


def curves(session: Session, job_id: str, *, after: int, limit: int) -> CurvesOut:
    """At most `limit` points behind step `after`, evenly thinned; the last one is among them."""
    of_job = TrainingPoint.job_id == job_id
    newest = session.scalar(select(func.max(TrainingPoint.step)).where(of_job)) or 0
    steps = select(TrainingPoint.step, TrainingPoint.measured).where(
        of_job, TrainingPoint.step > after
    )
    found = session.execute(steps.order_by(TrainingPoint.step)).all()
    measured = [step for step, has_figures in found if has_figures]
    others = [step for step, has_figures in found if not has_figures]
    kept = _thinned(measured, max(limit // 2, limit - len(others)))
    kept += _thinned(others, limit - len(kept))
    rows = session.scalars(
        select(TrainingPoint)
        .where(of_job, TrainingPoint.step.in_(kept))
        .order_by(TrainingPoint.step)
    )
    points = [PointOut.model_validate(row, from_attributes=True) for row in rows]
    return CurvesOut(points=points, last_step=newest)


def add_log(session: Session, job_id: str, texts: Sequence[str]) -> None:
    """Add lines; of a job that says more than a thousand the oldest go."""
    if not texts:
        return
    last = select(func.max(TrainingLogLine.number)).where(TrainingLogLine.job_id == job_id)
    first = (session.scalar(last) or 0) + 1
    rows = [
        {
            "job_id": job_id,
            "number": first + i,
            "text": one[:LONGEST_TEXT],
            "created_at": clock.now(),
        }
        for i, one in enumerate(texts)
    ]
    session.execute(insert(TrainingLogLine), rows)
    old = TrainingLogLine.number <= first + len(texts) - 1 - LOG_LINES
    session.execute(delete(TrainingLogLine).where(TrainingLogLine.job_id == job_id, old))


def log_lines(session: Session, job_id: str, *, after: int, limit: int) -> LogOut:
    """The newest `limit` lines behind line `after`, oldest first."""
    lines = select(TrainingLogLine).where(
        TrainingLogLine.job_id == job_id, TrainingLogLine.number > after
    )
    newest = session.scalars(lines.order_by(TrainingLogLine.number.desc()).limit(limit)).all()
    shown = [LogLineOut.model_validate(one, from_attributes=True) for one in reversed(newest)]
    return LogOut(lines=shown)


def _forget_from(session: Session, job_id: str, step: int) -> None:
    told_again = (TrainingPoint.job_id == job_id, TrainingPoint.step >= step)
    session.execute(delete(TrainingPoint).where(*told_again))


def _thinned(steps: Sequence[int], limit: int) -> list[int]:
    """At most `limit` of them, evenly spread, the last one always."""
    if limit <= 0:
        return []
    if len(steps) <= limit:
        return list(steps)
    stride = len(steps) / limit
    return [steps[min(len(steps), round((i + 1) * stride)) - 1] for i in range(limit)]
