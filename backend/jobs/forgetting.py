"""What reports of jobs say of products that are being deleted: it goes with them, counts stay."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import CursorResult, and_, case, select, update
from sqlalchemy.orm import Session

from backend.jobs.lease import locked
from backend.jobs.schemas import COMPARE, FINISHED
from backend.jobs.tables import Job, JobItem

FORGOTTEN = "(deleted)"
"""What such a line is called."""
WHY = "The product that this line was about has been deleted."
"""What a refusal of it says instead of its reason."""
_AT_ONCE = 500


def forget_products(session: Session, skus: Collection[str]) -> None:
    """Lines about these products say neither their names nor what stood in their rows any more.

    A line that still waits in a job that has ended counts as skipped, so that a retry does not
    bring the product back; one of a job that goes on stays: it is an order to make the product.
    """
    in_order = sorted(skus)
    for start in range(0, len(in_order), _AT_ONCE):
        some = in_order[start : start + _AT_ONCE]
        _skip(session, some)
        theirs = (JobItem.sku.in_(some), JobItem.state != "pending")
        reason = case((JobItem.state == "failed", WHY))
        session.execute(update(JobItem).where(*theirs).values(reason=reason, **_blank()))
    _forget_comparisons(session, set(skus))


def _skip(session: Session, skus: Collection[str]) -> None:
    waiting = and_(JobItem.sku.in_(skus), JobItem.state == "pending")
    theirs = select(JobItem.job_id).where(waiting).group_by(JobItem.job_id)
    ended = theirs.join(Job, Job.id == JobItem.job_id).where(Job.state.in_(FINISHED))
    for job_id in session.scalars(ended.order_by(JobItem.job_id)).all():
        job = locked(session, job_id)
        if job is None or job.state not in FINISHED:
            continue  # it was retried this moment
        skipped = update(JobItem).where(JobItem.job_id == job_id, waiting)
        found = session.execute(skipped.values(state="done", outcome="skipped", **_blank()))
        if isinstance(found, CursorResult):
            job.done += found.rowcount


def _blank() -> dict[str, Any]:
    return {"name": FORGOTTEN, "payload": {}, "sku": None}


def _forget_comparisons(session: Session, skus: set[str]) -> None:
    """Of a comparison's examples, those that show such a product go; its figures stay."""
    compared = select(Job).where(Job.state == "done", Job.kind == COMPARE)
    for job in session.scalars(compared).all():
        told = {name: job.result.get(name, []) for name in ("gains", "drops")}
        kept = {
            name: [one for one in lines if not _shows(one, skus)] for name, lines in told.items()
        }
        if kept != told:
            job.result = {**job.result, **kept}


def _shows(triplet: dict[str, Any], skus: set[str]) -> bool:
    return not skus.isdisjoint({triplet["reference"], triplet["target"]})
