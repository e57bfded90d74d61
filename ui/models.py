"""Models: what answers searches today, every version that could, training a new one."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from backend.registry.schemas import VersionOut, VersionState
from ui import deployments, model_import, model_today, training_form, version_card
from ui.connection import client, told
from ui.dialogs import none_open
from ui.models_known import Known, look
from ui.text import amount

_AT_ONCE = 10
_PAGE = 100
_ALL: Literal["all"] = "all"
_STATES: dict[VersionState | Literal["all"], str] = {
    _ALL: "All",
    "ready": "Ready",
    "training": "In training",
    "failed": "Failed",
    "archived": "Archived",
}


def page() -> None:
    """Draw the page."""
    st.html(
        "<div class='akin-head'><h2>Models</h2>"
        "<span>Train a version, measure it, let it answer; go back if it does not please.</span>"
        "</div>"
    )
    none_open()
    with told():
        known = look()
        model_today.draw(known)
        training_form.draw(known)
        _versions(known)
        deployments.draw()


def _versions(known: Known) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="versions_bar"):
        st.markdown("#### Versions", width="content")
        chosen = st.segmented_control(
            "State",
            list(_STATES),
            default=_ALL,
            required=True,
            format_func=_STATES.__getitem__,
            key="versions_state",
            label_visibility="collapsed",
        )
        model_import.draw()
    state: VersionState | None = None if chosen is None or chosen == _ALL else chosen
    if st.session_state.get("versions_for") != state:
        st.session_state["versions_for"] = state
        st.session_state["versions_shown"] = _AT_ONCE
    count: int = st.session_state.setdefault("versions_shown", _AT_ONCE)
    found, total = _found(state, count)
    if not found:
        st.caption("There is no such version.")
    for version in found:
        version_card.draw(version, known)
    if total > count:
        st.button(f"Show more of {amount(total, 'version')}", key="more_versions", on_click=_more)


def _found(state: VersionState | None, count: int) -> tuple[list[VersionOut], int]:
    found: list[VersionOut] = []
    cursor: str | None = None
    while True:
        limit = min(count - len(found), _PAGE)
        page = client().models(state=state, cursor=cursor, limit=limit)
        found += page.items
        cursor = page.next_cursor
        if cursor is None or len(found) >= count:
            return found, page.total


def _more() -> None:
    st.session_state["versions_shown"] += _AT_ONCE
