"""A model version as a card: what it is, how good it is, and what can be done with it."""

from __future__ import annotations

import json

import streamlit as st

from backend.jobs.schemas import JobOut
from backend.registry.schemas import VersionChange, VersionOut
from ui import training_progress, version_dialogs, version_figures
from ui.connection import attempt, client, download_url
from ui.models_known import Known
from ui.text import ago, plain

_BADGES = {
    "training": ("in training", "blue"),
    "ready": ("ready", "gray"),
    "archived": ("archived", "gray"),
    "failed": ("failed", "red"),
}
_BARE = "none"
"""The recipe of a backbone as it is: there is nothing to export."""


def draw(version: VersionOut, known: Known) -> None:
    """The card."""
    job = known.jobs.get(version.id)
    with st.container(border=True, key=f"version_{version.id}", gap="small"):
        _head(version, known)
        st.caption(plain(_facts(version, known)))
        if version.error:
            st.error(plain(version.error), icon=":material/error:")
        if version.state == "training" and job is not None and not job.finished:
            training_progress.draw(job)
        _figures(version)
        with st.container(horizontal=True, vertical_alignment="center", key=f"do_{version.id}"):
            _actions(version, job)
        _details(version, job)


def _head(version: VersionOut, known: Known) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"head_{version.id}"):
        st.markdown(f"**{plain(version.name)}**", width="content")
        word, colour = ("answers today", "green") if version.active else _BADGES[version.state]
        st.badge(word, color=colour)  # type: ignore[arg-type]  # a literal of ours
        st.caption(
            f"made {ago(version.created_at)} by {plain(version.actor)}",
            width="stretch",
            text_alignment="right",
        )
        if version.state != "ready" or version.active:
            return
        key = f"promote_{version.id}"
        why_not = "Another version waits for its gallery." if known.waits else None
        if st.button(
            "Promote",
            key=key,
            type="primary",
            disabled=known.waits,
            help=why_not,
            on_click=version_dialogs.forget,
            args=(version,),
        ):
            version_dialogs.promote(version, known.to_embed(version))


def _facts(version: VersionOut, known: Known) -> str:
    parts = [
        "a backbone as it is" if version.recipe == _BARE else version.recipe,
        f"from {version.parent}" if version.parent else f"on {version.backbone}",
    ]
    if version.state in ("ready", "archived"):
        parts.append(f"image tower {version.fingerprint[:8]}")
        parts.append("its gallery is searched" if version.active else known.cost(version))
    return " · ".join(parts)


def _figures(version: VersionOut) -> None:
    found = version_figures.held_out(version.figures)
    if found is not None:
        st.html(version_figures.chart(found))
    elif version.state in ("ready", "archived") and version.recipe != _BARE:
        st.caption("Not measured on held-out triplets of the catalogue.")


def _actions(version: VersionOut, job: JobOut | None) -> None:
    if version.state == "failed" and job is not None and job.finished:
        st.button(
            "Retry",
            key=f"retry_{version.id}",
            icon=":material/refresh:",
            on_click=attempt,
            args=(client().retry_job, job.id),
        )
    if st.button("Rename", key=f"rename_{version.id}", type="tertiary"):
        version_dialogs.rename(version)
    if version.state in ("ready", "archived"):
        st.button(
            "Measure",
            key=f"measure_{version.id}",
            type="tertiary",
            help="On the held-out triplets, beside the version that answers today.",
            on_click=attempt,
            args=(_measure, version.id),
        )
        if not version.active:
            _archive(version)
        if version.recipe != _BARE:
            _export(version)
    idle = not version.active and version.state != "training"
    if idle and st.button("Delete", key=f"delete_{version.id}", type="tertiary"):
        version_dialogs.delete(version)


def _export(version: VersionOut) -> None:
    """The link is asked for once it is wanted: it is a question to the API for each card, and
    works for an hour."""
    panel = st.popover("Export", key=f"export_{version.id}", type="tertiary", on_change="rerun")
    if not panel.open:
        return
    with panel:
        st.link_button(
            "Download the zip",
            download_url(f"/v1/models/{version.id}/artefact"),
            key=f"export_link_{version.id}",
            type="primary",
            icon=":material/download:",
        )


def _measure(version_id: str) -> None:
    client().measure(version_id)
    st.toast(
        "Its figures are here once the measuring is done: see Jobs.", icon=":material/straighten:"
    )


def _archive(version: VersionOut) -> None:
    away = version.state == "ready"
    st.button(
        "Archive" if away else "Restore",
        key=f"archive_{version.id}",
        type="tertiary",
        on_click=attempt,
        args=(client().change_version, version.id, VersionChange(archived=away)),
    )


def _details(version: VersionOut, job: JobOut | None) -> None:
    panel = st.expander("Figures, data and options", key=f"details_{version.id}", on_change="rerun")
    if not panel.open:
        return
    with panel:
        found = version_figures.held_out(version.figures)
        if found is not None:
            st.dataframe(version_figures.table(found), hide_index=True, key=f"figures_{version.id}")
        if job is not None and job.finished:
            training_progress.curves(job)
            training_progress.log(job)
        left, right = st.columns(2)
        with left:
            st.caption("Trained on")
            _values(version.data)
        with right:
            st.caption("Options")
            _values(version.parameters)
        st.caption(f"image tower {version.fingerprint}")
        st.caption(f"everything else {version.text_fingerprint or 'unknown'}")


def _written(value: object) -> str:
    """A value as people read it: `870 triplets, 1,044 images` of counts."""
    if isinstance(value, dict):
        return ", ".join(f"{_written(count)} {name}" for name, count in value.items())
    if isinstance(value, list):
        return ", ".join(_written(one) for one in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return value if isinstance(value, str) else json.dumps(value)


def _values(told: dict[str, object]) -> None:
    if not told:
        st.caption("nothing is known")
        return
    rows = [
        {"": name.replace("_", " "), "value": _written(value)}
        for name, value in told.items()
        if value is not None
    ]
    st.dataframe(rows, hide_index=True)
