"""The dialogs that change which version answers, and what versions are called. A refusal is shown
in the dialog, and what was typed stays."""

from __future__ import annotations

import streamlit as st

from backend.client import ApiError
from backend.registry.schemas import (
    PromoteRequest,
    PromotionOut,
    RollbackRequest,
    VersionChange,
    VersionOut,
)
from ui.connection import client, forget_model, told
from ui.text import amount, plain

_CONFLICT = 409
_REASON = 1000
_NAME = 100


@st.dialog("Promote this version?")
def promote(version: VersionOut, cost: str, to_embed: int) -> None:
    """Let a version answer. The server says what the metric gate says; where that is not met, an
    override is offered, which needs a reason."""
    st.markdown(f"**{plain(version.name)}** is to answer all searches.")
    st.caption(_words(cost, to_embed))
    key = f"promote_refused_{version.id}"
    refusal: str | None = st.session_state.get(key)
    reason = st.text_area(
        "Why, although the gate is not met" if refusal else "Why (kept with the deployment)",
        key=f"promote_reason_{version.id}",
        max_chars=_REASON,
        placeholder="needed" if refusal else "may be left empty: then it is what the gate says",
    )
    if refusal:
        st.warning(plain(refusal), icon=":material/rule:")
    with told():
        label = "Promote all the same" if refusal else "Promote"
        if st.button(label, type="primary", key=f"promote_yes_{version.id}"):
            request = PromoteRequest(reason=reason.strip(), override=refusal is not None)
            _promote(version, request, key)


@st.dialog("Roll back?")
def roll_back(answering: str) -> None:
    """Let the version answer again that answered before."""
    st.markdown(
        f"The version that answered before **{plain(answering)}** answers again, at once, if its "
        "gallery is still kept."
    )
    reason = st.text_input("Why", key="rollback_reason", max_chars=_REASON)
    with told():
        if st.button("Roll back", type="primary", key="rollback_yes"):
            done = client().rollback(RollbackRequest(reason=reason.strip()))
            _close(f"{done.version} answers searches again.")


@st.dialog("Rename")
def rename(version: VersionOut) -> None:
    """Call a version by another name."""
    name = st.text_input("Name", version.name, key=f"name_{version.id}", max_chars=_NAME)
    with told():
        if st.button("Save", type="primary", key=f"rename_yes_{version.id}", disabled=not name):
            client().change_version(version.id, VersionChange(name=name))
            _close(None)


@st.dialog("Delete this version?")
def delete(version: VersionOut) -> None:
    """Ask before a version goes for good."""
    st.markdown(f"**{plain(version.name)}** and its weights go for good. This cannot be undone.")
    st.caption("To put it away instead, archive it: an archived version can be restored.")
    with told():
        if st.button("Delete", type="primary", key=f"delete_yes_{version.id}"):
            client().delete_version(version.id)
            _close(f"{version.name} is deleted.")


def _promote(version: VersionOut, request: PromoteRequest, key: str) -> None:
    try:
        done = client().promote(version.id, request)
    except ApiError as error:
        # Only ready versions have the button, and only while none waits: a conflict is the gate's.
        if error.status != _CONFLICT or request.override:
            raise
        st.session_state[key] = error.sentence
        st.rerun(scope="fragment")
    st.session_state.pop(key, None)
    _close(_answer(done))


def _words(cost: str, to_embed: int) -> str:
    if not to_embed:
        return f"It takes over at once, and no picture is embedded anew: it {cost}."
    return (
        f"Its image tower is another: {amount(to_embed, 'picture')} are embedded first, while "
        "searches go on with the version of today. Then it takes over by itself."
    )


def _answer(done: PromotionOut) -> str:
    if done.state == "waiting":
        return f"{done.version} takes over once its gallery holds the catalogue."
    return f"{done.version} answers searches now."


def _close(notice: str | None) -> None:
    forget_model()
    if notice:
        st.toast(plain(notice), icon=":material/check:")
    st.rerun()
