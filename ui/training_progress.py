"""A training as it goes: how far it is, its curves, the end of its log, and a way to stop it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from backend.jobs.schemas import JobOut
from backend.training.schemas import PointOut
from ui import jobs
from ui.connection import attempt, client, told
from ui.dialogs import draw_anew
from ui.text import plain

_REFRESH_SECONDS = 2.0
_CHOOSES = "selected"
"""The figure that chooses the weights, whatever the benchmark calls its parts."""
_POINTS = 300
_TAIL, _LINES = 4, 200
_HEIGHT = 180
_DOTTED = 40
"""Fewer points than these are dots too, so that one alone is seen."""
_COLOURS = {"loss": "#c8744a", "figure": "#2f4a3e"}


def draw(job: JobOut) -> None:
    """Until it has ended; then the page is drawn anew."""
    st.fragment(_live, run_every=_REFRESH_SECONDS)(job.id)


def _live(job_id: str) -> None:
    with told():
        job = client().job(job_id)
        if job.finished:
            draw_anew()
        with st.container(horizontal=True, vertical_alignment="center", key=f"train_{job.id}"):
            with st.container(key=f"train_bar_{job.id}"):
                jobs.progress(job)
            st.button(
                "Cancel",
                key=f"cancel_{job.id}",
                disabled=job.finished or job.state == "cancelling",
                on_click=attempt,
                args=(client().cancel_job, job.id),
            )
        curves(job)
        for line in client().training_log(job.id, limit=_TAIL).lines:
            st.caption(plain(line.text))


def curves(job: JobOut) -> None:
    """Loss and the choosing figure by step, side by side; nothing before the first point."""
    points = client().curves(job.id, limit=_POINTS).points
    losses = [(point.step, point.loss) for point in points if point.loss is not None]
    figures = [(point.step, value) for point in points if (value := chosen(point)) is not None]
    if not losses:
        return
    with st.container(horizontal=True, key=f"curves_{job.id}"):
        _curve("Loss", losses, _COLOURS["loss"])
        if figures:
            _curve("Figure that chooses the weights, in percent", figures, _COLOURS["figure"])


def log(job: JobOut) -> None:
    """What the training said, oldest first."""
    lines = client().training_log(job.id, limit=_LINES).lines
    if lines:
        st.code(
            "\n".join(f"{line.created_at:%H:%M:%S}  {line.text}" for line in lines),
            None,
            wrap_lines=True,
        )


def chosen(point: PointOut) -> float | None:
    """The figure that chooses, if it was measured at this point."""
    return point.figures.get(_CHOOSES)


def _curve(title: str, values: list[tuple[int, float]], colour: str) -> None:
    with st.container():
        st.caption(title)
        rows = [{"step": step, title: value} for step, value in values]
        # Not from zero on, as `st.line_chart` draws: what moves would be a flat line at the top.
        y = {"field": title, "type": "quantitative", "scale": {"zero": False}, "title": None}
        x = {"field": "step", "type": "quantitative", "axis": {"format": ",d", "tickMinStep": 1}}
        mark: dict[str, Any] = {"type": "line", "color": colour, "tooltip": True}
        if len(values) < _DOTTED:
            mark["point"] = {"color": colour}
        st.vega_lite_chart(rows, {"mark": mark, "encoding": {"x": x, "y": y}}, height=_HEIGHT)
