"""A running import, live: its files, then making the pictures searchable, then the report."""

from __future__ import annotations

import streamlit as st

from backend.jobs.schemas import JobOut
from ui import job_report
from ui.connection import client, told
from ui.jobs import progress
from ui.text import amount, plain

_REFRESH_SECONDS = 1.0
_OUTCOMES = ("created", "updated", "unchanged", "skipped", "refused")


def draw(job_id: str) -> None:
    """Progress while there is any, then the report."""
    job = client().job(job_id)
    embedding = _embedding()
    moving = not job.finished or embedding is not None
    st.fragment(_live, run_every=_REFRESH_SECONDS if moving else None)(job_id, moving)
    if job.finished:
        _report(job, everything=not moving)


def _live(job_id: str, was_moving: bool) -> None:
    with told():
        job, embedding = client().job(job_id), _embedding()
        if was_moving and job.finished and embedding is None:
            st.rerun()
        if not job.finished:
            st.markdown("**Reading your files**")
            progress(job)
        elif embedding is not None:
            st.markdown("**Making the pictures searchable**")
            progress(embedding)
            st.caption("Everything is saved. You can leave this page.")


def _embedding() -> JobOut | None:
    """The job that makes pictures searchable, if one is at work or waiting."""
    for job in client().jobs(limit=10).items:
        if job.kind == "embed" and not job.finished:
            return job
    return None


def _report(job: JobOut, *, everything: bool) -> None:
    if job.error:
        st.error(plain(job.error))
    counts = {outcome: job.result.get(outcome, 0) for outcome in _OUTCOMES}
    with st.container(horizontal=True, key="import_counts"):
        for outcome, count in counts.items():
            st.metric(outcome.capitalize(), f"{count:,}", width=110)
    if everything:
        _pictures_state()
    job_report.draw(job)
    st.button("Add more", key="upload_again", type="primary", on_click=_again)


def _pictures_state() -> None:
    summary = client().summary()
    waiting = summary.images - summary.embedded - summary.unreadable
    if waiting > 0:
        st.info(f"{amount(waiting, 'picture')} cannot be found by search yet.")
    else:
        st.success("Every picture can be found by search.", icon=":material/check:")


def _again() -> None:
    del st.session_state["import_job"]
