"""What reports of jobs say of products that are being deleted: it goes with them, counts stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any

from sqlalchemy import and_, case, select, update
from sqlalchemy.orm import Session

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
    names = sorted(set(skus))
    parts = [names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE)]
    waited = chain.from_iterable(_ended_waiting(session, some) for some in parts)
    ended = _ended(session, {*waited, *_comparisons(session, set(names))})
    for some in parts:
        _skip(session, ended, some)
        theirs = (JobItem.sku.in_(some), JobItem.state != "pending")
        reason = case((JobItem.state == "failed", WHY))
        session.execute(update(JobItem).where(*theirs).values(reason=reason, **_blank()))
    for job in ended.values():
        if job.kind == COMPARE:
            job.result = _without_examples(job.result, set(names))


def _ended_waiting(session: Session, skus: Collection[str]) -> Iterator[str]:
    """The ids of the jobs that have ended and have lines about these that wait for a retry."""
    waiting = and_(JobItem.sku.in_(skus), JobItem.state == "pending")
    theirs = select(JobItem.job_id).where(waiting).group_by(JobItem.job_id)
    ended = theirs.join(Job, Job.id == JobItem.job_id).where(Job.state.in_(FINISHED))
    yield from session.scalars(ended)


def _comparisons(session: Session, skus: set[str]) -> Iterator[str]:
    """The ids of the comparisons among whose examples one of these is."""
    compared = select(Job.id, Job.result).where(Job.state == "done", Job.kind == COMPARE)
    for job_id, result in session.execute(compared):
        if _without_examples(result, skus) != result:
            yield job_id


def _ended(session: Session, job_ids: Collection[str]) -> dict[str, Job]:
    """Those of the jobs that have ended still, by id, as they are now; nobody else changes them
    until this transaction ends. All are locked here, in one order: so who deletes other products
    at the same moment waits, and what both forget of one report is forgotten."""
    theirs = select(Job).where(Job.id.in_(job_ids), Job.state.in_(FINISHED)).order_by(Job.id)
    locked = theirs.with_for_update().execution_options(populate_existing=True)
    return {job.id: job for job in session.scalars(locked)}


def _skip(session: Session, ended: dict[str, Job], skus: Collection[str]) -> None:
    waiting = (JobItem.job_id.in_(ended), JobItem.sku.in_(skus), JobItem.state == "pending")
    skipped = update(JobItem).where(*waiting).values(state="done", outcome="skipped", **_blank())
    for job_id, lines in Counter(session.scalars(skipped.returning(JobItem.job_id))).items():
        ended[job_id].done += lines


def _blank() -> dict[str, Any]:
    return {"name": FORGOTTEN, "payload": {}, "sku": None}


def _without_examples(result: dict[str, Any], skus: set[str]) -> dict[str, Any]:
    """A comparison's result without the examples that show such a product; its figures stay."""
    told = {name: result[name] for name in ("gains", "drops") if name in result}
    return result | {
        name: [one for one in lines if not _shows(one, skus)] for name, lines in told.items()
    }


def _shows(triplet: dict[str, Any], skus: set[str]) -> bool:
    return not skus.isdisjoint({triplet["reference"], triplet["target"]})
