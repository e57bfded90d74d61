"""A job's report as CSV: for spreadsheets, and to mend what was refused and import it again.

Of a manifest's row the row itself is there, under the names that a manifest's columns have. The
columns that begin with `akin_` say what was wrong; an import passes over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from sqlalchemy import select

from backend.catalogue.schemas import ManifestField
from backend.database import Database
from backend.jobs.tables import JobItem
from backend.spreadsheet import BYTE_ORDER_MARK, csv_line

PAGE = 500
REMARKS = ("akin_line", "akin_outcome", "akin_reason")


def report_table(database: Database, job_id: str, state: str | None = None) -> Iterator[str]:
    """The report of a job as lines of CSV, those items in `state`.

    Each page has a transaction of its own, so that a slow reader holds nothing.
    """
    columns = _columns(database, job_id, state)
    yield BYTE_ORDER_MARK + csv_line([*REMARKS, *columns])
    for item in _items(database, job_id, state):
        row = _row(item)
        remarks = [item.name, item.outcome or item.state, item.reason or ""]
        yield csv_line([*remarks, *(row.get(column, "") for column in columns)])


def _columns(database: Database, job_id: str, state: str | None) -> Sequence[str]:
    """The fields a row may have and every attribute that one has; none without any row."""
    names = dict.fromkeys(key for item in _items(database, job_id, state) for key in _row(item))
    return list(dict.fromkeys([*get_args(ManifestField), *names])) if names else []


def _items(database: Database, job_id: str, state: str | None) -> Iterator[JobItem]:
    chosen = [JobItem.job_id == job_id, *([] if state is None else [JobItem.state == state])]
    last = -1
    while True:
        after = select(JobItem).where(*chosen, JobItem.position > last)
        with database.read() as session:
            items = session.scalars(after.order_by(JobItem.position).limit(PAGE)).all()
        yield from items
        if len(items) < PAGE:
            return
        last = items[-1].position


def _row(item: JobItem) -> dict[str, Any]:
    row: dict[str, Any] = item.payload.get("row", {})
    return row
