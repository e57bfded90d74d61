"""What a shopper says about a result: this is the one, or not this."""

from __future__ import annotations

from uuid import uuid4

import streamlit as st

from backend.client import ApiError
from backend.feedback.schemas import FeedbackCreate, FeedbackUpload
from backend.search.schemas import SearchHit
from ui.connection import attempt, client
from ui.history import Query

_THANKS = {
    True: "Thank you: noted as the one you meant.",
    False: "Thank you: noted that this is not it.",
}
_LABELS = {True: "This is the one", False: "Not this"}
_ICONS = {True: ":material/check:", False: ":material/close:"}


def buttons(query: Query, search_id: str, hit: SearchHit) -> None:
    """Both verdicts, on results of picture and words: others are not triplets."""
    if query.reference is None or not query.text:
        return
    said = _said().get((query, hit.image_id))
    with st.container(horizontal=True, key=f"judge_{hit.product.id}", gap="small"):
        for is_target in (True, False):
            st.button(
                _LABELS[is_target],
                icon=_ICONS[is_target],
                key=f"{'yes' if is_target else 'no'}_hit_{hit.product.id}",
                type="tertiary",
                disabled=said is is_target,
                on_click=_judge,
                args=(query, search_id, hit, is_target),
            )


def _said() -> dict[tuple[Query, str], bool]:
    """What was said in this visit."""
    said: dict[tuple[Query, str], bool] = st.session_state.setdefault("said", {})
    return said


def _judge(query: Query, search_id: str, hit: SearchHit, is_target: bool) -> None:
    upload = query.reference.upload if query.reference else None
    if upload is not None and upload not in st.session_state.setdefault("pictures_kept", set()):
        _ask_consent(query, search_id, hit, is_target)
        return
    attempt(_send, query, search_id, hit, is_target)


@st.dialog("Keep your picture with this answer?")
def _ask_consent(query: Query, search_id: str, hit: SearchHit, is_target: bool) -> None:
    st.write(
        "What you say helps this shop to train its search. For that your picture is stored with "
        "it. The shop's staff can see it; it never appears in the catalogue, and it is deleted "
        "when they discard your answer."
    )
    with st.container(horizontal=True):
        keep = st.button(
            "Keep it and send",
            type="primary",
            key="yes_keep",
            on_click=_consent,
            args=(query, search_id, hit, is_target),
        )
        if keep or st.button("No, say nothing", key="no_keep"):
            st.rerun()


def _consent(query: Query, search_id: str, hit: SearchHit, is_target: bool) -> None:
    assert query.reference is not None  # noqa: S101 - only then is it asked
    st.session_state["pictures_kept"].add(query.reference.upload)
    attempt(_send, query, search_id, hit, is_target)


def _send(query: Query, search_id: str, hit: SearchHit, is_target: bool) -> None:
    visit = st.session_state.setdefault("visit", str(uuid4()))
    facts = {"image_id": hit.image_id, "is_target": is_target, "session": visit}
    try:
        _give(query, {**facts, "search_id": search_id})
    except ApiError as error:
        if error.code != "not-found":
            raise
        _give(query, facts)  # the search is no longer kept: what was asked is said anew
    _said()[query, hit.image_id] = is_target
    st.toast(_THANKS[is_target], icon=_ICONS[is_target])


def _give(query: Query, facts: dict[str, object]) -> None:
    reference = query.reference
    assert reference is not None  # noqa: S101 - as `buttons` saw
    if "search_id" not in facts:
        facts = {**facts, "text": query.text}
    if reference.upload is not None:
        told = FeedbackUpload.model_validate({**facts, "keep_picture": True})
        client().give_feedback(told, image=reference.upload, name=reference.title)
        return
    if "search_id" not in facts:
        facts = {**facts, "reference_image_id": reference.image_id}
    client().give_feedback(FeedbackCreate.model_validate(facts))
