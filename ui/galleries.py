"""Galleries: how far each holds the catalogue, and how to bring it into line."""

from __future__ import annotations

import streamlit as st

from backend.jobs.schemas import JobOut, ReconcileRequest
from backend.registry.gallery_schemas import GalleriesOut, GalleryOut
from ui import job_findings
from ui.connection import attempt, client, told
from ui.jobs import progress, summary
from ui.text import ago, amount, plain

_MOVING_SECONDS, _RESTING_SECONDS = 1.5, 10.0
_KINDS = {
    "rows_without_point": ("picture without a point", "pictures without a point"),
    "points_without_row": ("point without a picture", "points without a picture"),
    "bad_vectors": ("vector that cannot be used", "vectors that cannot be used"),
    "stale_payloads": ("point behind the catalogue", "points behind the catalogue"),
    "lost_galleries": ("gallery lost by its store", "galleries lost by their store"),
    "unattended": ("gallery that no job looked after", "galleries that no job looked after"),
}


def page() -> None:
    """Draw the page."""
    st.html(
        "<div class='akin-head'><h2>Galleries</h2>"
        "<span>One for each image tower; each is to hold every picture of the catalogue.</span>"
        "</div>"
    )
    with told():
        moving = _moves(client().galleries())
        st.fragment(_live, run_every=_MOVING_SECONDS if moving else _RESTING_SECONDS)(moving)


def _moves(found: GalleriesOut) -> bool:
    return found.reconciling is not None or any(one.job for one in found.galleries)


def _live(was_moving: bool) -> None:
    with told():
        found = client().galleries()
        if _moves(found) is not was_moving:
            st.rerun()
        _comparison(found)
        for gallery in found.galleries:
            _card(gallery, found.reconciled)


def _comparison(found: GalleriesOut) -> None:
    with st.container(border=True, key="comparison", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", key="comparison_head"):
            st.markdown("**Comparison with catalogue and stored pictures**", width="stretch")
            _ask("Look", found.reconciling, mend=False)
            _ask("Look and mend", found.reconciling, mend=True)
        if found.reconciling is not None:
            progress(found.reconciling)
        last = found.reconciled
        if last is None:
            st.caption("Nothing was compared yet. It happens each night by itself.")
            return
        mended = "mended" if last.parameters.get("mend") else "looked at only"
        when = ago(last.finished_at or last.created_at)
        st.caption(f"Last compared {when}, {mended}: {plain(summary(last))}")
        report = st.expander("What was found", key=f"report_{last.id}", on_change="rerun")
        if report.open:
            with report:
                job_findings.draw(last)


def _ask(label: str, under_way: JobOut | None, *, mend: bool) -> None:
    st.button(
        label,
        key="reconcile_mend" if mend else "reconcile_look",
        type="primary" if mend else "secondary",
        disabled=under_way is not None,
        on_click=attempt,
        args=(client().reconcile, ReconcileRequest(mend=mend)),
    )


def _card(gallery: GalleryOut, last: JobOut | None) -> None:
    with st.container(border=True, key=f"gallery_{gallery.id}", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", key=f"head_{gallery.id}"):
            st.markdown(f"**{plain(gallery.id)}**", width="content")
            if gallery.active:
                st.badge("searched today", color="green")
            facts = f"{gallery.dim} numbers a picture · image tower {gallery.fingerprint[:12]}"
            st.caption(facts, width="stretch", text_alignment="right")
        st.progress(min(gallery.share, 1.0), _coverage(gallery))
        st.caption(_counts(gallery))
        if gallery.layout:
            st.caption(f"Kept as {plain(gallery.layout)}")
        if gallery.versions:
            st.caption(f"Used by {plain(', '.join(gallery.versions))}")
        if gallery.problem:
            st.error(plain(gallery.problem), icon=":material/error:")
        elif gallery.job is not None:
            progress(gallery.job)
        elif doubt := _doubt(gallery):
            st.warning(doubt, icon=":material/search:")
        if gallery.found is not None and last is not None:
            st.caption(_found(gallery.found, last))
        _refusals(gallery)


def _coverage(gallery: GalleryOut) -> str:
    # Rounded down: 100 % is said of all pictures only.
    share = int(gallery.share * 1000) / 10
    return f"**{share:.1f} %** · {gallery.embedded:,} of {amount(gallery.images, 'picture')}"


def _counts(gallery: GalleryOut) -> str:
    parts = [
        f"{gallery.missing:,} missing",
        f"{gallery.stale:,} edited since",
        f"{gallery.refused:,} refused",
    ]
    if gallery.points is not None:
        parts.append(f"{amount(gallery.points, 'point')} in the store")
    return " · ".join(parts)


def _doubt(gallery: GalleryOut) -> str | None:
    """Where the store's number of points cannot be right. A picture whose bytes were lost may keep
    its point, so refused ones may have one or not."""
    if gallery.points is None:
        return None
    most = gallery.held + gallery.refused
    if gallery.held <= gallery.points <= most:
        return None
    few = gallery.points < gallery.held
    off = gallery.held - gallery.points if few else gallery.points - most
    what = f"{amount(off, 'point')} too {'few' if few else 'many'}"
    return f"The store has {what}: look and mend."


def _found(found: dict[str, int], last: JobOut) -> str:
    if not any(found.values()):
        return f"Compared {ago(last.finished_at or last.created_at)}: every picture has its point."
    words = [
        f"{count:,} {plain(_KINDS.get(kind, (kind, kind))[count != 1])}"
        for kind, count in found.items()
        if count
    ]
    mended = ", mended" if last.parameters.get("mend") else ", not mended"
    return f"Compared {ago(last.finished_at or last.created_at)}: {', '.join(words)}{mended}."


def _refusals(gallery: GalleryOut) -> None:
    if not gallery.refusals:
        return
    panel = st.expander(amount(gallery.refused, "refused picture"), key=f"refused_{gallery.id}")
    with panel:
        for one in gallery.refusals:
            st.caption(f"**{plain(one.sku)}** · {plain(one.reason)}")
        if gallery.refused > len(gallery.refusals):
            st.caption(f"And {amount(gallery.refused - len(gallery.refusals), 'more picture')}.")
