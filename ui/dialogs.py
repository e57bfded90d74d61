"""Dialogs that stay open while the page behind them moves: drawing it anew would close them."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

import streamlit as st

Given = ParamSpec("Given")
_OPEN = "dialog_open"


def dialog(title: str) -> Callable[[Callable[Given, None]], Callable[Given, None]]:
    """As `st.dialog`, for a page that begins with `none_open` and has parts that `draw_anew`."""

    def decorated(draw: Callable[Given, None]) -> Callable[Given, None]:
        shown = st.dialog(title, on_dismiss=none_open)(draw)

        def opened(*args: Given.args, **kwargs: Given.kwargs) -> None:
            st.session_state[_OPEN] = True
            shown(*args, **kwargs)

        return opened

    return decorated


def none_open() -> None:
    """A page that is drawn anew has none; one opened on the way says so itself."""
    st.session_state.pop(_OPEN, None)


def draw_anew() -> None:
    """Draw the page anew, now or once the dialog before it is closed."""
    if _OPEN not in st.session_state:
        st.rerun()
