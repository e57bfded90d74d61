"""A job's report: what was refused and why, and every line of it as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import streamlit as st

from backend.jobs.schemas import JobItemOut, JobOut
from ui.connection import client
from ui.text import amount

_MOST_SHOWN = 200
_COLUMNS = ("file", "outcome", "reason")


def draw(job: JobOut) -> None:
    """The refused lines as a table, and the whole report to download."""
    refused = client().job_items(job.id, state="failed", limit=_MOST_SHOWN)
    if refused.items:
        st.dataframe(
            [dict(zip(_COLUMNS, _line(item), strict=True)) for item in refused.items],
            hide_index=True,
            key=f"refused_{job.id}",
        )
    else:
        st.caption("Nothing was refused.")
    if refused.total > len(refused.items):
        rest = refused.total - len(refused.items)
        st.caption(f"And {amount(rest, 'more line')}: the file holds them all.")
    st.download_button(
        "Download the report",
        lambda: as_csv(every_item(job.id)),
        f"akin-report-{job.id}.csv",
        "text/csv",
        key=f"download_{job.id}",
        icon=":material/download:",
        on_click="ignore",
    )


def every_item(job_id: str) -> Iterator[JobItemOut]:
    """All lines of a job's report, page by page."""
    cursor: str | None = None
    while True:
        page = client().job_items(job_id, cursor=cursor, limit=_MOST_SHOWN)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def as_csv(items: Iterator[JobItemOut]) -> str:
    """The report as CSV; a text that a spreadsheet would run as a formula gets a leading quote."""
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(_COLUMNS)
    for item in items:
        writer.writerow("'" + cell if cell[:1] in tuple("=+-@") else cell for cell in _line(item))
    return table.getvalue()


def _line(item: JobItemOut) -> tuple[str, str, str]:
    return item.name, item.outcome or item.state, item.reason or ""
