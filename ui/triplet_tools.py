"""What is done with many triplets at once: score, review by score, import, export, hold out."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from backend.feedback.schemas import (
    HoldOut,
    ReviewRequest,
    TripletFilter,
    TripletFormat,
    TripletImport,
    TripletSource,
    TripletState,
    TripletSummary,
)
from ui import jobs
from ui.connection import attempt, client, download_url, told
from ui.text import amount, plain

_REFRESH_SECONDS = 1.0
_AT_ONCE = 10_000
_SURE = (0.1, 0.9)
_FORMATS: dict[TripletFormat, str] = {
    "akin": "Akin (triplets.jsonl)",
    "fashioniq": "FashionIQ",
    "cirr": "CIRR",
}


def draw(summary: TripletSummary, source: TripletSource | None) -> None:
    """The buttons, each with its panel."""
    left = summary.states.get("candidate", 0)
    if left:
        label = f"Score {summary.unscored:,} new" if summary.unscored else "Score again"
        st.button(
            label,
            icon=":material/rule:",
            key="score_triplets",
            type="primary" if summary.unscored else "secondary",
            disabled="score_job" in st.session_state,
            on_click=attempt,
            args=(_score,),
        )
    if left > summary.unscored:
        _in_bulk(source)
    _import()
    if summary.states.get("accepted"):
        _export()
        _hold_out(summary)


@st.fragment(run_every=_REFRESH_SECONDS)
def scoring() -> None:
    """The scoring that is under way; the page is drawn again once it has ended."""
    job_id: str | None = st.session_state.get("score_job")
    if job_id is None:
        return
    with told():
        job = client().job(job_id)
        if not job.finished:
            st.progress(min(job.done / job.total, 1) if job.total else 0, plain(jobs.figures(job)))
            return
        del st.session_state["score_job"]
        if job.error:
            st.session_state["score_error"] = job.error
        st.rerun()


def import_report() -> None:
    """What became of the last file, until the next one; and why a scoring failed."""
    error: str | None = st.session_state.pop("score_error", None)
    if error:
        st.error(plain(error), icon=":material/error:")
    report: TripletImport | None = st.session_state.get("triplet_import")
    if report is None:
        return
    done = f"{report.created:,} new, {report.unchanged:,} there already"
    if not report.refused:
        st.success(f"{amount(report.rows, 'row')}: {done}.", icon=":material/check:")
        return
    st.warning(
        f"{amount(report.rows, 'row')}: {done}, **{report.refused:,} refused**.",
        icon=":material/rule:",
    )
    st.dataframe(
        [{"row": one.row, "reason": one.reason} for one in report.refusals],
        hide_index=True,
        key="triplet_refusals",
    )


def _score() -> None:
    st.session_state["score_job"] = client().score_triplets().id


def _in_bulk(source: TripletSource | None) -> None:
    panel = st.popover("In bulk", icon=":material/done_all:", key="bulk", on_change="rerun")
    if not panel.open:
        return
    with panel:
        low, high = st.slider("Sure by score", 0.0, 1.0, _SURE, 0.05, key="bulk_scores")
        _decide("accepted", "Accept", TripletFilter(score_at_least=high, source=source), high)
        _decide("rejected", "Reject", TripletFilter(score_below=low, source=source), low)
        st.caption("What lies between is for your eyes.")


def _decide(state: TripletState, verb: str, wanted: TripletFilter, score: float) -> None:
    candidates = wanted.model_copy(update={"state": "candidate"})
    count = client().triplets(candidates, limit=1).total
    where = f"from {score:.2f} on" if state == "accepted" else f"below {score:.2f}"
    st.button(
        f"{verb} all {count:,} {where}",
        key=f"bulk_{state}",
        type="primary" if state == "accepted" else "secondary",
        disabled=not count,
        on_click=attempt,
        args=(_review, ReviewRequest(state=state, filter=wanted, limit=_AT_ONCE)),
    )


def _review(request: ReviewRequest) -> None:
    done = client().review_triplets(request)
    rest = f", {done.left:,} more match" if done.left else ""
    st.toast(f"{amount(done.changed, 'triplet')} {request.state}{rest}.")


def _import() -> None:
    with st.popover("Import", icon=":material/upload:", key="import_triplets"):
        made = st.checkbox("Made by a model (spn-positives)", key="import_made")
        number = st.session_state.setdefault("triplet_files", 0)
        key = f"triplet_file_{number}"
        st.file_uploader(
            "A file in FashionIQ's, CIRR's or Akin's format",
            ["json", "jsonl"],
            key=key,
            on_change=attempt,
            args=(_take, key, "spn-positives" if made else "import"),
        )


def _take(key: str, source: TripletSource) -> None:
    file = st.session_state[key]
    if file is None:
        return
    st.session_state["triplet_files"] += 1
    st.session_state["triplet_import"] = client().import_triplets(
        file.name, file.getvalue(), source
    )


def _export() -> None:
    with st.popover("Export", icon=":material/archive:", key="export_triplets"):
        form = st.selectbox("Format", list(_FORMATS), 0, _FORMATS.__getitem__, key="export_format")
        split = st.selectbox("Split", ["all", "train", "val", "test"], key="export_split")
        query = {"format": form} | ({} if split == "all" else {"split": split})
        st.link_button(
            "Download the accepted ones",
            download_url(f"/v1/triplets/export?{urlencode(query)}"),
            key="export_triplets_link",
            type="primary",
            icon=":material/download:",
        )


def _hold_out(summary: TripletSummary) -> None:
    with st.popover("Hold out", icon=":material/call_split:", key="hold_out"):
        splits = summary.accepted_splits
        held = " · ".join(f"{count:,} {split}" for split, count in sorted(splits.items()))
        st.markdown(f"Accepted: {held or 'none'}.")
        st.caption(
            "A model is measured on triplets it has not learned from. Products that triplets join "
            "are moved together, so that none is on both sides."
        )
        share = st.slider("Share, in percent", 5, 50, 20, 5, key="hold_out_share")
        split = st.segmented_control(
            "Split", ["val", "test"], default="val", required=True, key="hold_out_split"
        )
        st.button(
            "Move",
            key="hold_out_move",
            type="primary",
            on_click=attempt,
            args=(_move, HoldOut(split=split or "val", share=share / 100)),
        )


def _move(wanted: HoldOut) -> None:
    done = client().hold_out(wanted)
    st.toast(
        f"{amount(done.products, 'product')} moved: {done.triplets:,} of "
        f"{done.accepted:,} accepted triplets are in {wanted.split}."
    )
