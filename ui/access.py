"""Who is here: the login where the server asks for one, who one is, and the way out."""

from __future__ import annotations

from html import escape

import streamlit as st

from backend.accounts.schemas import MIN_PASSWORD, Me
from backend.client import ApiError
from backend.errors import AkinError
from ui.connection import TOKEN, attempt, client
from ui.text import plain

_UNKNOWN = 401


def who() -> Me | None:
    """The visitor as the server knows them; None where they have to log in first."""
    try:
        return client().me()
    except ApiError as error:
        if error.status != _UNKNOWN:
            raise
        st.session_state.pop(TOKEN, None)  # it is over, or was taken back
        return None


def page() -> None:
    """Ask for name and password."""
    with (
        st.container(horizontal_alignment="center"),
        st.container(key="login", width=360),
    ):
        st.html("<div class='akin-head'><h2>Log in</h2></div>")
        with st.form("login_form", border=False):
            name = st.text_input("Name", key="login_name", max_chars=200, autocomplete="username")
            password = st.text_input(
                "Password",
                key="login_password",
                type="password",
                autocomplete="current-password",
            )
            sent = st.form_submit_button("Log in", type="primary", key="login_send")
        st.caption("Forgotten? An admin gives you a new password.")
        if sent:
            _enter(name, password)


def _enter(name: str, password: str) -> None:
    try:
        entered = client().log_in(name, password)
    except AkinError as error:
        st.error(plain(error.sentence), icon=":material/error:")
        return
    # In the memory of this session alone. A cookie that the page itself could set would be one
    # that any script on it could read; so a reload asks again.
    st.session_state[TOKEN] = entered.token
    st.rerun()


def draw(me: Me) -> None:
    """Who one is, and the way out, beside every page; nothing where nobody logs in."""
    if not me.accounts:
        return
    with st.sidebar:
        st.html(
            f"<div class='akin-head'><h2>{escape(me.name)}</h2><span>{escape(me.role)}</span></div>"
        )
        with st.popover("Change password", key="own_password", width="stretch"):
            _password_form()
        st.button("Log out", key="log_out", on_click=attempt, args=(_leave,), width="stretch")


def _password_form() -> None:
    with st.form("own_password_form", border=False, clear_on_submit=True):
        old = st.text_input("Old password", key="old_password", type="password")
        new = st.text_input("New password", key="new_password", type="password")
        again = st.text_input("The new one again", key="again_password", type="password")
        sent = st.form_submit_button("Change", key="change_password")
    if not sent:
        return
    if new != again:
        st.error("The new password was typed in two ways: type it again.")
    elif len(new) < MIN_PASSWORD:
        st.error(f"A password has at least {MIN_PASSWORD} characters: take a longer one.")
    else:
        try:
            client().change_password(old, new)
        except AkinError as error:
            st.error(plain(error.sentence), icon=":material/error:")
        else:
            st.success("Your password is changed; all other logins of yours are over.")


def _leave() -> None:
    try:
        client().log_out()
    finally:
        st.session_state.clear()
