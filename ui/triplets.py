"""Reviewing triplets: two pictures, the sentence between them, and whether to keep it."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from backend.feedback.schemas import (
    TripletFilter,
    TripletOrder,
    TripletOut,
    TripletSource,
    TripletState,
    TripletSummary,
)
from ui import pictures, triplet_card, triplet_tools
from ui.connection import client, told
from ui.text import amount

_AT_ONCE = 24
_PAGE = 96
_STATES: dict[TripletState, str] = {
    "candidate": "To review",
    "accepted": "Accepted",
    "rejected": "Rejected",
}
_ORDERS: dict[TripletOrder, str] = {
    "best": "Surely right first",
    "worst": "Surely wrong first",
    "newest": "Newest first",
}
_EVERYWHERE = "everywhere"
_SOURCES: dict[str, str] = {
    _EVERYWHERE: "From everywhere",
    "feedback": "From shoppers",
    "import": "From files",
    "spn-positives": "Made by a model",
}


def page() -> None:
    """Draw the page."""
    with told():
        summary = client().triplet_summary()
        _head(summary)
        wanted, order = _bar(summary)
        triplet_tools.scoring()
        triplet_tools.import_report()
        _list(wanted, order)


def _head(summary: TripletSummary) -> None:
    states = summary.states
    kept, rejected, left = (states.get(key, 0) for key in ("accepted", "rejected", "candidate"))
    st.html(
        "<div class='akin-head'><h2>Triplets</h2>"
        f"<span>{amount(left, 'triplet')} to review before a model learns from them</span></div>"
    )
    done, total = kept + rejected, sum(states.values())
    if total:
        st.progress(done / total, f"{kept:,} accepted · {rejected:,} rejected · {left:,} left")


def _bar(summary: TripletSummary) -> tuple[TripletFilter, TripletOrder]:
    with st.container(horizontal=True, vertical_alignment="bottom", key="triplet_bar"):
        state = st.segmented_control(
            "State",
            list(_STATES),
            default="candidate",
            required=True,
            format_func=_STATES.__getitem__,
            key="triplet_state",
            label_visibility="collapsed",
        )
        chosen_source = st.selectbox(
            "Source",
            list(_SOURCES),
            format_func=_SOURCES.__getitem__,
            key="triplet_source",
            label_visibility="collapsed",
            width=170,
        )
        order = st.selectbox(
            "Order",
            list(_ORDERS),
            format_func=_ORDERS.__getitem__,
            key="triplet_order",
            label_visibility="collapsed",
            width=190,
        )
        source = next((one for one in get_args(TripletSource) if one == chosen_source), None)
        triplet_tools.draw(summary, source)
    chosen = state if state in get_args(TripletState) else "candidate"
    # What nobody scored is neither right nor wrong.
    least = 0.0 if order == "worst" else None
    return TripletFilter(state=chosen, source=source, score_at_least=least), order


def _list(wanted: TripletFilter, order: TripletOrder) -> None:
    looked_for = (wanted, order)
    if st.session_state.get("triplets_for") != looked_for:
        st.session_state["triplets_for"] = looked_for
        st.session_state["triplets_shown"] = _AT_ONCE
    count: int = st.session_state["triplets_shown"]
    found, total = _found(wanted, order, count)
    if not found:
        _nothing(wanted)
        return
    with pictures.grid("triplets"):
        for triplet in found[:count]:
            triplet_card.draw(triplet)
    if total > count:
        st.button("Show more", key="more_triplets", on_click=_more)


def _found(wanted: TripletFilter, order: TripletOrder, count: int) -> tuple[list[TripletOut], int]:
    found: list[TripletOut] = []
    cursor: str | None = None
    while True:
        limit = min(max(count - len(found), 1), _PAGE)
        page = client().triplets(wanted, order=order, cursor=cursor, limit=limit)
        found += page.items
        cursor = page.next_cursor
        if cursor is None or len(found) >= count:
            return found, page.total


def _more() -> None:
    st.session_state["triplets_shown"] += _AT_ONCE


def _nothing(wanted: TripletFilter) -> None:
    title, sentence = {
        "candidate": (
            "Nothing to review",
            "When shoppers say <i>This is the one</i> on the Search page, it waits here; so does "
            "what you import.",
        ),
        "accepted": ("Nothing is accepted yet", "Keep what is right, and a model can learn it."),
        "rejected": ("Nothing is rejected", "What you reject is kept here, and teaches nothing."),
    }[wanted.state or "candidate"]
    st.html(f'<div class="akin-empty"><h2>{title}</h2><p>{sentence}</p></div>')
