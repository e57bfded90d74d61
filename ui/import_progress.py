"""A running import, live: each of its stages with its own bar, then the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from backend.jobs.schemas import JobOut
from ui import browsing, job_report, pictures
from ui.connection import client, told
from ui.jobs import figures
from ui.sending import Sent
from ui.text import amount, bytes_of, duration, plain

_REFRESH_SECONDS = 1.0
_OUTCOMES = ("created", "updated", "unchanged", "skipped", "refused")
_SHOWN = 12


@dataclass(frozen=True)
class Stage:
    """A step of an import: how much of it is done (0 to 1; None: not begun), and in words."""

    name: str
    share: float | None
    words: str


def draw(sent: Sent) -> None:
    """Progress while there is any, then the report."""
    job, embedding = client().job(sent.job_id), _embedding()
    moving = not job.finished or embedding is not None
    st.fragment(_live, run_every=_REFRESH_SECONDS if moving else None)(sent, moving)
    if job.finished:
        _report(job, everything=not moving)


def stages(sent: Sent, job: JobOut, embedding: JobOut | None, seconds: float | None) -> list[Stage]:
    """What was done, is done and is still to do.

    embedding: the job that makes pictures searchable, while it works or waits.
    seconds: what the last one of those took.
    """
    checking = job.stage == "checking" or (job.total is None and not job.finished)
    return [
        Stage("Sent", 1.0, _sent(sent)),
        _checked(job) if checking else Stage("Read and checked", 1.0, _took(job, "plan")),
        _imported(job, begun=not checking),
        _searchable(job, embedding, seconds),
    ]


def _live(sent: Sent, was_moving: bool) -> None:
    with told():
        job, embedding = client().job(sent.job_id), _embedding()
        if was_moving and job.finished and embedding is None:
            st.rerun()
        seconds = None if was_moving else _embedded_in(job)
        with st.container(key="import_stages", gap="small"):
            for stage in stages(sent, job, embedding, seconds):
                _bar(stage)
        if job.finished and embedding is not None:
            st.caption("Everything is saved. You can leave this page.")


def _bar(stage: Stage) -> None:
    state = "waits" if stage.share is None else "done" if stage.share >= 1 else "now"
    with st.container(key=f"stage_{state}_{stage.name.split()[0].lower()}"):
        text = f"**{stage.name}**" + (f" · {plain(stage.words)}" if stage.words else "")
        st.progress(stage.share or 0.0, text)


def _sent(sent: Sent) -> str:
    if not sent.files:
        return "the server had everything already"
    return f"{amount(sent.files, 'file')} · {bytes_of(sent.size)} · in {duration(sent.seconds)}"


def _checked(job: JobOut) -> Stage:
    share = min(job.done / job.total, 1.0) if job.total else 0.0
    words = "" if job.state == "running" else "waiting for its turn"
    if job.total:
        words = f"{job.done:,} of {amount(job.total, 'list')} and archives"
    return Stage("Reading and checking", min(share, 0.99), words)


def _imported(job: JobOut, *, begun: bool) -> Stage:
    if job.finished:
        return Stage("Imported", 1.0, _took(job, "total", "plan"))
    if not begun or not job.total:
        return Stage("Import", None, "")
    return Stage("Importing", min(job.done / job.total, 0.99), figures(job, stage=False))


def _searchable(job: JobOut, embedding: JobOut | None, seconds: float | None) -> Stage:
    if embedding is not None and embedding.total:
        share = min(embedding.done / embedding.total, 0.99)
        return Stage("Making the pictures searchable", share, figures(embedding, stage=False))
    if embedding is not None:
        return Stage("Making the pictures searchable", 0.0, "")
    if not job.finished:
        return Stage("Make the pictures searchable", None, "")
    return Stage("Searchable", 1.0, "" if seconds is None else f"in {duration(seconds)}")


def _took(job: JobOut, stage: str, *without: str) -> str:
    seconds: dict[str, Any] = job.result.get("seconds", {})
    if stage not in seconds:
        return ""
    return f"in {duration(seconds[stage] - sum(seconds.get(name, 0.0) for name in without))}"


def _embedding() -> JobOut | None:
    """The job that makes pictures searchable, if one is at work or waiting."""
    for job in client().jobs(limit=10).items:
        if job.kind == "embed" and not job.finished:
            return job
    return None


def _embedded_in(imported: JobOut) -> float | None:
    """Seconds of the embed job that ended last, if it ended after this import began."""
    for job in client().jobs(limit=10).items:
        if job.kind == "embed" and job.started_at and job.finished_at:
            if imported.started_at and job.finished_at >= imported.started_at:
                return (job.finished_at - job.started_at).total_seconds()
            return None
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
    _products(job)
    job_report.draw(job)
    st.button("Add more", key="upload_again", type="primary", on_click=_again)


def _pictures_state() -> None:
    summary = client().summary()
    waiting = summary.images - summary.embedded - summary.unreadable
    if waiting > 0:
        st.info(f"{amount(waiting, 'picture')} cannot be found by search yet.")
    else:
        st.success("Every picture can be found by search.", icon=":material/check:")


def _products(job: JobOut) -> None:
    """The first products that the import made or changed, and a way to all of them."""
    found = client().imported_products(job.id, limit=_SHOWN)
    if not found.items:
        return
    cards = "".join(pictures.card(one, pictures.image_of(one)) for one in found.items)
    st.html(f'<div class="akin-strip">{cards}</div>')
    if found.total > len(found.items):
        st.button(
            f"See all {found.total:,}",
            key="import_all",
            icon=":material/grid_view:",
            on_click=browsing.show_import,
            args=(job.id,),
        )


def _again() -> None:
    del st.session_state["import_sent"]
