"""One triplet as it is reviewed. Every string from data is escaped here."""

from __future__ import annotations

from html import escape

import streamlit as st

from backend.feedback.schemas import TripletOut, TripletPicture, TripletState, TripletUpdate
from ui import pictures
from ui.connection import attempt, client, picture_url

_UNSURE = (0.35, 0.8)
"""Scores below the first are told as doubtful, from the second on as sure."""


def draw(triplet: TripletOut) -> None:
    """Both pictures, the sentence, why it may be wrong, and what can be done."""
    with st.container(key=f"triplet_{triplet.id}", border=True, gap="small"):
        st.html(pair(triplet))
        with st.container(horizontal=True, key=f"review_{triplet.id}", gap="small"):
            if triplet.state == "candidate":
                _button(triplet, "Keep", "accepted", ":material/check:")
                _button(triplet, "Reject", "rejected", ":material/close:")
            elif triplet.reference.sha256 is not None:
                _button(triplet, "Review again", "candidate", ":material/undo:")
            if triplet.state != "rejected":
                _edit(triplet)


def pair(triplet: TripletOut) -> str:
    """The triplet as HTML."""
    verdict = "" if triplet.is_target else '<b class="akin-not">not this</b>'
    return (
        '<div class="akin-pair">'
        f'{_side(triplet.reference)}<div class="akin-arrow">{verdict}</div>'
        f"{_side(triplet.target)}</div>"
        f'<div class="akin-said" title="{escape(triplet.text)}">{escape(triplet.caption)}</div>'
        f"{_score(triplet)}{_reasons(triplet)}"
    )


def _side(picture: TripletPicture) -> str:
    title = picture.title or "A picture of the shopper's own"
    source = picture_url(picture.thumbnail) if picture.thumbnail else None
    shown = pictures.picture(source, title, "deleted")
    return f'<div>{shown}<div class="akin-line" title="{escape(title)}">{escape(title)}</div></div>'


def _score(triplet: TripletOut) -> str:
    if triplet.score is None:
        return '<div class="akin-line">not scored yet</div>'
    low, high = _UNSURE
    kind = "bad" if triplet.score < low else "good" if triplet.score >= high else "unsure"
    width = max(round(100 * triplet.score), 2)
    return (
        f'<div class="akin-score akin-score-{kind}" title="Consistency {triplet.score:.2f}">'
        f'<i style="width:{width}%"></i></div>'
    )


def _reasons(triplet: TripletOut) -> str:
    facts = [*triplet.reasons]
    if triplet.split == "mixed":
        facts.append("Its products are in different splits: it is not used.")
    if not facts:
        return ""
    return f'<div class="akin-reasons">{" ".join(map(escape, facts))}</div>'


def _button(triplet: TripletOut, label: str, state: TripletState, icon: str) -> None:
    st.button(
        label,
        icon=icon,
        key=f"{state}_{triplet.id}",
        on_click=attempt,
        args=(client().update_triplet, triplet.id, TripletUpdate(state=state)),
    )


def _edit(triplet: TripletOut) -> None:
    with st.popover("Edit", icon=":material/edit:", key=f"edit_{triplet.id}", type="tertiary"):
        key = f"caption_{triplet.id}"
        st.text_input("Sentence", triplet.caption, key=key, max_chars=2000)
        st.button(
            "Save",
            key=f"save_{triplet.id}",
            type="primary",
            on_click=attempt,
            args=(_save, triplet.id, key),
        )


def _save(triplet_id: str, key: str) -> None:
    caption = st.session_state[key].strip()
    if caption:
        client().update_triplet(triplet_id, TripletUpdate(caption=caption))
