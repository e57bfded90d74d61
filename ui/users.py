"""Users, for admins: who there is, what they may, and keys for machines."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from backend.accounts.roles import Role
from backend.accounts.schemas import KeyOut, UserOut
from ui.connection import attempt, client, told
from ui.text import plain

PAGE = 50
_ROLES: tuple[Role, ...] = get_args(Role)


def page() -> None:
    """Draw the page."""
    with told():
        st.html("<div class='akin-head'><h2>Users</h2></div>")
        with st.popover("Add a user", icon=":material/person_add:", key="add_user"):
            _add_form()
        _new_password()
        cursor = st.session_state.get("users_cursor")
        found = client().users(cursor=cursor, limit=PAGE)
        for user in found.items:
            _user(user)
        _turn(found.next_cursor, "users_cursor")
        st.html("<div class='akin-head'><h2>Keys</h2><span>For machines.</span></div>")
        _new_key()
        keys = client().keys(cursor=st.session_state.get("keys_cursor"), limit=PAGE)
        for key in keys.items:
            _key(key)
        _turn(keys.next_cursor, "keys_cursor")


def _turn(further: str | None, name: str) -> None:
    if further is not None or st.session_state.get(name):
        with st.container(horizontal=True):
            st.button("First", key=f"{name}_first", on_click=_show, args=(name, None))
            if further is not None:
                st.button("More", key=f"{name}_more", on_click=_show, args=(name, further))


def _show(name: str, cursor: str | None) -> None:
    st.session_state[name] = cursor


def _add_form() -> None:
    with st.form("add_user_form", border=False, clear_on_submit=True):
        st.text_input("Name", key="new_name", max_chars=60)
        st.selectbox("Role", _ROLES, key="new_role")
        st.text_input("Password", key="new_user_password", type="password")
        st.form_submit_button("Add", key="add_user_send", on_click=attempt, args=(_add,))


def _add() -> None:
    given = st.session_state
    client().add_user(given["new_name"], given["new_role"], given["new_user_password"])


def _user(user: UserOut) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"user_{user.name}"):
        used = f"{user.last_used_at:%Y-%m-%d %H:%M} UTC" if user.last_used_at else "never"
        name = plain(user.name)
        struck = f"~~{name}~~ disabled" if user.disabled else f"**{name}**"
        st.markdown(f"{struck} · last here {used}", width="stretch")
        st.selectbox(
            f"Role of {user.name}",
            _ROLES,
            _ROLES.index(user.role),
            key=f"role_{user.name}_{user.role}",
            label_visibility="collapsed",
            width=140,
            on_change=attempt,
            args=(_give_role, user),
        )
        st.button("New password", key=f"password_{user.name}", on_click=_ask, args=(user.name,))
        st.button(
            "Enable" if user.disabled else "Disable",
            key=f"disable_{user.name}",
            on_click=attempt,
            args=(_disable, user),
        )


def _give_role(user: UserOut) -> None:
    key = f"role_{user.name}_{user.role}"
    wanted = st.session_state[key]
    try:
        client().change_user(user.name, role=wanted)
    finally:
        del st.session_state[key]  # it shows what the server says


def _disable(user: UserOut) -> None:
    client().change_user(user.name, disabled=not user.disabled)


def _ask(name: str) -> None:
    st.session_state["password_of"] = name


def _new_password() -> None:
    name = st.session_state.get("password_of")
    if name is None:
        return
    with st.form("password_form", clear_on_submit=True):
        st.text_input(f"New password of {plain(name)}", key="given_password", type="password")
        st.form_submit_button("Set", key="set_password", on_click=attempt, args=(_set, name))


def _set(name: str) -> None:
    client().change_user(name, password=st.session_state["given_password"])
    del st.session_state["password_of"]
    st.toast(f"{plain(name)} has a new password.", icon=":material/key:")


def _new_key() -> None:
    panel = st.popover("New key", icon=":material/key:", key="new_key")
    with panel, st.form("key_form", border=False, clear_on_submit=True):
        st.text_input("Whose", key="key_user", max_chars=60)
        st.text_input("What for", key="key_label", max_chars=60, placeholder="till 3")
        st.selectbox("Role at most", _ROLES, key="key_role")
        st.number_input("Days", 1, 3650, 365, key="key_days")
        st.form_submit_button("Make", key="make_key", on_click=attempt, args=(_make_key,))
    made = st.session_state.pop("made_key", None)
    if made is not None:
        st.success("The new key; it is shown this once.", icon=":material/key:")
        st.code(made, language=None)


def _make_key() -> None:
    given = st.session_state
    given["made_key"] = (
        client()
        .add_key(
            given["key_label"],
            role=given["key_role"],
            days=int(given["key_days"]),
            user=given["key_user"].strip() or None,
        )
        .token
    )


def _key(key: KeyOut) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"key_{key.id}"):
        used = f"{key.last_used_at:%Y-%m-%d %H:%M} UTC" if key.last_used_at else "never"
        whose = f"**{plain(key.label)}** of {plain(key.user)} · {key.role}"
        st.markdown(f"{whose} · until {key.expires_at:%Y-%m-%d} · used {used}", width="stretch")
        revoke = client().revoke_key
        st.button("Revoke", key=f"revoke_{key.id}", on_click=attempt, args=(revoke, key.id))
