"""What Akin is working on, live: progress, reports, cancel and retry."""

from __future__ import annotations

import streamlit as st

from backend.jobs.schemas import JobOut
from ui import job_findings, job_report
from ui.connection import attempt, client, told
from ui.text import ago, amount, duration, plain

_REFRESH_SECONDS = 1.5
_KINDS = {
    "ingest": "Import",
    "embed": "Making pictures searchable",
    "reembed": "Seeing the catalogue with a new image tower",
    "reconcile": "Checking that nothing is missing",
    "train": "Training a model",
    "evaluate": "Measuring a model",
    "compare": "Comparing two models",
    "score": "Looking for wrong triplets",
}
_BADGES = {
    "collecting": ("receiving files", "blue"),
    "queued": ("waiting", "gray"),
    "running": ("running", "green"),
    "cancelling": ("stopping", "orange"),
    "cancelled": ("cancelled", "gray"),
    "done": ("done", "green"),
    "failed": ("failed", "red"),
}


def page() -> None:
    """Draw the page."""
    st.html(
        "<div class='akin-head'><h2>Jobs</h2><span>This page keeps itself up to date.</span></div>"
    )
    _live()


@st.fragment(run_every=_REFRESH_SECONDS)
def _live() -> None:
    with told():
        found = client().jobs(limit=30)
        if not found.items:
            st.html(
                '<div class="akin-empty"><h2>Nothing to do</h2>'
                "<p>When you add products on the Catalogue page, you see the work here.</p></div>"
            )
        for job in found.items:
            _job(job)
        if found.total > len(found.items):
            st.caption(f"Showing the newest {len(found.items)} of {amount(found.total, 'job')}.")


def _job(job: JobOut) -> None:
    with st.container(border=True, key=f"job_{job.id}", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", key=f"job_head_{job.id}"):
            st.markdown(f"**{_KINDS.get(job.kind, job.kind)}**", width="content")
            word, colour = _BADGES[job.state]
            st.badge(word, color=colour)  # type: ignore[arg-type]  # a literal of ours
            st.caption(_times(job), width="stretch", text_alignment="right")
            _action(job)
        progress(job)
        if job.error:
            st.error(plain(job.error))
        if job.kind in ("ingest", "reconcile") or job.failed:
            _report(job)


def progress(job: JobOut) -> None:
    """A bar with its figures in words; only the words once nothing moves any more."""
    if job.finished:
        st.caption(plain(summary(job)))
        return
    share = min(job.done / job.total, 1.0) if job.total else 0.0
    st.progress(share, plain(figures(job)))


def figures(job: JobOut, *, stage: bool = True) -> str:
    """How far a job is: `Embedding · 120 of 341 · 14 a second · about 16 s left`."""
    if job.state == "queued" and not job.done:
        return "Waiting for its turn"
    parts = [job.stage.capitalize()] if job.stage and stage else []
    parts.append(f"{job.done:,} of {job.total:,}" if job.total else f"{job.done:,} done")
    if job.rate:
        parts.append(f"{job.rate:,.1f} a second")
    if job.seconds_left is not None:
        parts.append(f"about {duration(job.seconds_left)} left")
    if job.failed:
        parts.append(f"{job.failed:,} refused")
    return " · ".join(parts)


def summary(job: JobOut) -> str:
    """What a finished job did: `30 created · 2 refused`."""
    counted = [
        f"{count:,} {outcome.replace('_', ' ')}"
        for outcome, count in job.result.items()
        if isinstance(count, int) and not isinstance(count, bool) and count
    ]
    if counted:
        return " · ".join(counted)
    return amount(job.done, "item") + (f", {job.failed:,} refused" if job.failed else "")


def _times(job: JobOut) -> str:
    text = f"started {ago(job.started_at)}" if job.started_at else f"asked {ago(job.created_at)}"
    if job.started_at and job.finished_at:
        text += f" · took {duration((job.finished_at - job.started_at).total_seconds())}"
    return text


def _action(job: JobOut) -> None:
    if not job.finished and job.state != "cancelling":
        label, action = "Cancel", client().cancel_job
    elif job.state in ("failed", "cancelled"):
        label, action = "Retry", client().retry_job
    else:
        return
    key = f"{label.lower()}_{job.id}"
    st.button(label, key=key, type="tertiary", on_click=attempt, args=(action, job.id))


def _report(job: JobOut) -> None:
    report = st.expander("Report", key=f"report_{job.id}", on_change="rerun")
    if report.open:
        with report:
            (job_findings if job.kind == "reconcile" else job_report).draw(job)
