"""A job's report: what was refused and why, and all of it as files."""

from __future__ import annotations

from functools import partial

import streamlit as st

from backend.jobs.schemas import JobOut
from ui.connection import client
from ui.text import amount

_MOST_SHOWN = 200


def draw(job: JobOut) -> None:
    """The refused lines as a table, and the report to download."""
    refused = client().job_items(job.id, state="failed", limit=_MOST_SHOWN)
    if refused.items:
        st.dataframe(
            [{"file or row": item.name, "reason": item.reason or ""} for item in refused.items],
            hide_index=True,
            key=f"refused_{job.id}",
        )
    else:
        st.caption("Nothing was refused.")
    if refused.total > len(refused.items):
        rest = refused.total - len(refused.items)
        st.caption(f"And {amount(rest, 'more line')}: the file holds them all.")
    with st.container(horizontal=True, key=f"downloads_{job.id}"):
        if refused.items:
            _download(job, "Download the refusals (CSV)", "failed")
        _download(job, "Download the report (CSV)", None)
    if refused.items and job.kind == "ingest":
        st.caption(
            "The refusals hold the rows as they were: mend them there, and drop the file again "
            "with the pictures it names."
        )


def _download(job: JobOut, label: str, state: str | None) -> None:
    what = "refusals" if state else "report"
    st.download_button(
        label,
        partial(_csv, job.id, state),
        f"akin-{what}-{job.id}.csv",
        "text/csv",
        key=f"download_{what}_{job.id}",
        icon=":material/download:",
        on_click="ignore",
    )


def _csv(job_id: str, state: str | None) -> bytes:
    return b"".join(client().job_report(job_id, state))
