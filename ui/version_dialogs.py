"""The dialogs that change which version answers, and what versions are called. A refusal is shown
in the dialog, and what was typed stays."""

from __future__ import annotations

import streamlit as st

from backend.client import ApiError
from backend.errors import AkinError
from backend.registry.schemas import (
    DeploymentOut,
    PromoteRequest,
    PromotionOut,
    RollbackRequest,
    VersionChange,
    VersionOut,
)
from ui.connection import client, forget_model, told
from ui.dialogs import dialog
from ui.text import ago, amount, plain

_CONFLICT = 409
_REASON = 1000
_NAME = 100


@dialog("Promote this version?")
def promote(version: VersionOut, to_embed: int) -> None:
    """Let a version answer. The server says what the metric gate says; where that is not met, an
    override is offered, which needs a reason."""
    st.markdown(f"**{plain(version.name)}** is to answer all searches.")
    st.caption(_words(to_embed))
    state = st.session_state
    if done := state.pop(_key("done", version), None):
        _close(done)
    refusal: str | None = state.get(_key("refused", version))
    if refusal:
        st.warning(plain(refusal), icon=":material/rule:")
    st.text_area(
        "Why, although the gate is not met" if refusal else "Why (kept with the deployment)",
        key=_key("reason", version),
        max_chars=_REASON,
        placeholder="needed" if refusal else "if left empty: what the gate says",
    )
    st.button(
        "Promote all the same" if refusal else "Promote",
        type="primary",
        key=_key("yes", version),
        on_click=_promote,
        args=(version,),
    )
    if error := state.pop(_key("error", version), None):
        st.error(plain(error), icon=":material/error:")


def forget(version: VersionOut) -> None:
    """Ask the gate anew, whatever it said when the dialog was open before."""
    st.session_state.pop(_key("refused", version), None)


@dialog("Roll back?")
def roll_back(answering: str, back: DeploymentOut) -> None:
    """Let the version answer again that answered before."""
    st.markdown(
        f"**{plain(back.version)}** answers all searches again, at once, in place of "
        f"{plain(answering)}."
    )
    because = f": {plain(back.reason)}" if back.reason else ""
    st.caption(f"{plain(back.actor)} let it answer {ago(back.created_at)}{because}")
    reason = st.text_input("Why", key="rollback_reason", max_chars=_REASON)
    with told():
        if st.button("Roll back", type="primary", key="rollback_yes"):
            done = client().rollback(RollbackRequest(reason=reason.strip()))
            _close(f"{done.version} answers searches again.")


@dialog("Rename")
def rename(version: VersionOut) -> None:
    """Call a version by another name."""
    name = st.text_input("Name", version.name, key=f"name_{version.id}", max_chars=_NAME)
    with told():
        if st.button("Save", type="primary", key=f"rename_yes_{version.id}", disabled=not name):
            client().change_version(version.id, VersionChange(name=name))
            _close(None)


@dialog("Delete this version?")
def delete(version: VersionOut) -> None:
    """Ask before a version goes for good."""
    st.markdown(f"**{plain(version.name)}** and its weights go for good. This cannot be undone.")
    st.caption("To put it away instead, archive it: an archived version can be restored.")
    with told():
        if st.button("Delete", type="primary", key=f"delete_yes_{version.id}"):
            client().delete_version(version.id)
            _close(f"{version.name} is deleted.")


def _promote(version: VersionOut) -> None:
    state, refused = st.session_state, _key("refused", version)
    reason: str = state[_key("reason", version)]
    request = PromoteRequest(reason=reason.strip(), override=refused in state)
    try:
        state[_key("done", version)] = _answer(client().promote(version.id, request))
    except AkinError as error:
        # Only ready versions have the button, and only while none waits: a conflict is the gate's.
        gate = isinstance(error, ApiError) and error.status == _CONFLICT and not request.override
        state[refused if gate else _key("error", version)] = error.sentence


def _key(what: str, version: VersionOut) -> str:
    return f"promote_{what}_{version.id}"


def _words(to_embed: int) -> str:
    if not to_embed:
        return "It takes over at once: no picture is embedded anew."
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
