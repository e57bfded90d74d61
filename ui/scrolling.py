"""Brings the visitor back to the top after a step, where the new question stands."""

from __future__ import annotations

import streamlit as st


def to_top(step: object) -> None:
    """Scroll up once whenever `step` is another one than at the last run."""
    if st.session_state.get("scrolled_for", step) != step:
        st.session_state["scroll_count"] = st.session_state.get("scroll_count", 0) + 1
    st.session_state["scrolled_for"] = step
    count = st.session_state.get("scroll_count", 0)
    if count:
        # The number makes it a new element, and only new ones run.
        st.html(
            "<script>document.querySelector('[data-testid=\"stMain\"]')"
            f".scrollTo({{top: 0, behavior: 'smooth'}}) // {count}</script>",
            unsafe_allow_javascript=True,
        )
