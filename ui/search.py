"""The shopper's page: show a picture, say what should be different, look, take the next step."""

from __future__ import annotations

import streamlit as st

from ui import composing, filters_panel, results, scrolling, shop_window, theme
from ui.connection import model, told
from ui.history import History


def page() -> None:
    """Draw the page."""
    with told():
        theme.demo_note(model())
        history = _history()
        composing.draw(history, "search")
        filters = filters_panel.sidebar("search", hidden={"split"})
        if history.current.empty:
            shop_window.draw(history, filters)
        else:
            results.draw(history, filters)
        scrolling.to_top((history.position, history.current.reference, history.current.text))


def _history() -> History:
    history: History = st.session_state.setdefault("history", History())
    return history
