"""Which items of an import are done next: those pending, in their order, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from backend.jobs.tables import JobItem
from workers.holding import Hold
from workers.plan_items import ItemPlan

BATCH_ITEMS = 64
BATCH_BYTES = 128 * 1024 * 1024
BATCH_PICTURES = 1_000


@dataclass(frozen=True, slots=True)
class Work:
    """A pending item."""

    position: int
    plan: ItemPlan


def next_batch(hold: Hold, positions: range) -> list[Work] | None:
    """The next pending items of these positions: as many as their pictures allow by number and
    bytes, at least one; none if the first has to wait for another part, None if none is pending."""
    ours = (*_pending(hold.job_id), JobItem.position.between(positions.start, positions.stop - 1))
    query = select(JobItem.position, JobItem.payload).where(*ours).order_by(JobItem.position)
    with hold.read() as session:
        rows = session.execute(query.limit(hold.at_once(BATCH_ITEMS))).all()
        works = [Work(position, ItemPlan.model_validate(payload)) for position, payload in rows]
        return _batch(_ready(session, hold.job_id, works, positions)) if works else None


def pending_stretches(session: Session, job_id: str, size: int) -> list[tuple[int, int]]:
    """First and last position of what is pending, cut where a multiple of `size` begins."""
    block = JobItem.position // size
    ends = select(func.min(JobItem.position), func.max(JobItem.position))
    blocks = ends.where(*_pending(job_id)).group_by(block).order_by(block)
    return [(first, last) for first, last in session.execute(blocks)]


def _ready(
    session: Session, job_id: str, works: Sequence[Work], positions: range
) -> Iterable[Work]:
    """Those up to the first that has to wait for an item of its SKU in another part."""
    before = {work.plan.after for work in works if work.plan.after is not None}
    elsewhere = [position for position in before if position not in positions]
    if not elsewhere:
        return works
    undone = select(JobItem.position).where(*_pending(job_id), JobItem.position.in_(elsewhere))
    waiting = set(session.scalars(undone))
    return takewhile(lambda work: work.plan.after not in waiting, works)


def _batch(works: Iterable[Work]) -> list[Work]:
    batch: list[Work] = []
    size = pictures = 0
    for work in works:
        size += sum(source.size for source in work.plan.pictures)
        pictures += len(work.plan.pictures)
        if batch and (size > BATCH_BYTES or pictures > BATCH_PICTURES):
            break
        batch.append(work)
    return batch


def _pending(job_id: str) -> tuple[ColumnElement[bool], ...]:
    return (JobItem.job_id == job_id, JobItem.state == "pending")
