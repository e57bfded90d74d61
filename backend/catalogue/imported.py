"""What an import brought: the products that it made or changed."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.catalogue.presenting import products_by_ids
from backend.catalogue.schemas import ProductOut
from backend.jobs import service as jobs
from backend.jobs.tables import JobItem
from backend.paging import Page, decode_number, encode_cursor

_BROUGHT = ("created", "updated")


def imported_products(
    session: Session, job_id: str, *, cursor: str | None = None, limit: int = 50, offset: int = 0
) -> Page[ProductOut]:
    """One page of the products that an import made or changed, in the order of its input.

    offset: how many lines to pass over, from the cursor on.

    `total` counts lines of the report; products that were deleted since are not among the items.

    Raises:
        NotFound: no such job.
        InvalidInput: a cursor this list did not give out.
    """
    jobs.get(session, job_id)
    mine = (
        JobItem.job_id == job_id,
        JobItem.state == "done",
        JobItem.outcome.in_(_BROUGHT),
    )
    after = -1 if cursor is None else decode_number(cursor)
    lines = select(JobItem.position, JobItem.payload).where(*mine, JobItem.position > after)
    found = session.execute(lines.order_by(JobItem.position).offset(offset).limit(limit + 1)).all()
    ids = dict.fromkeys(str(payload.get("product")) for _, payload in found[:limit])
    products = products_by_ids(session, list(ids))
    return Page(
        items=[products[one] for one in ids if one in products],
        next_cursor=encode_cursor([found[limit - 1].position]) if len(found) > limit else None,
        total=session.scalar(select(func.count()).select_from(JobItem).where(*mine)) or 0,
    )
