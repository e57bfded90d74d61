"""Users, for admins: who there is, what they may, and keys for machines."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from backend.accounts.roles import Role
from backend.accounts.schemas import KeyOut, UserOut
from backend.errors import AkinError
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
        found = client().users(cursor=st.query_params.get("users"), limit=PAGE)
        for user in found.items:
            _user(user)
        _turn(found.next_cursor, "users")
        st.html("<div class='akin-head'><h2>Keys</h2><span>For machines.</span></div>")
        _new_key()
        keys = client().keys(cursor=st.query_params.get("keys"), limit=PAGE)
        for key in keys.items:
            _key(key)
        _turn(keys.next_cursor, "keys")


def _turn(further: str | None, name: str) -> None:
    """Buttons to the rest of a list and back. Where it stands is in the page's address, so that
    whoever comes back from another page begins at its first."""
    if further is not None or name in st.query_params:
        with st.container(horizontal=True):
            st.button("First", key=f"first:{name}", on_click=_show, args=(name, None))
            if further is not None:
                st.button("More", key=f"more:{name}", on_click=_show, args=(name, further))


def _show(name: str, cursor: str | None) -> None:
    if cursor is None:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = cursor


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
    with st.container(horizontal=True, vertical_alignment="center", key=f"user:{user.name}"):
        used = f"{user.last_used_at:%Y-%m-%d %H:%M} UTC" if user.last_used_at else "never"
        name = plain(user.name)
        struck = f"~~{name}~~ disabled" if user.disabled else f"**{name}**"
        st.markdown(f"{struck} · last here {used}", width="stretch")
        st.selectbox(
            f"Role of {user.name}",
            _ROLES,
            _ROLES.index(user.role),
            key=_role_key(user),
            label_visibility="collapsed",
            width=140,
            on_change=attempt,
            args=(_give_role, user),
        )
        with st.popover("New password", key=f"password:{user.name}"):
            _password_form(user.name)
        st.button(
            "Enable" if user.disabled else "Disable",
            key=f"disable:{user.name}",
            on_click=attempt,
            args=(_disable, user),
        )


def _role_key(user: UserOut) -> str:
    """No name has a colon in it, so this is the key of nothing else."""
    return f"role:{user.name}:{user.role}"


def _give_role(user: UserOut) -> None:
    key = _role_key(user)
    try:
        client().change_user(user.name, role=st.session_state[key])
    except AkinError:
        # Set, and not only forgotten: the browser would keep what was refused, and send it again
        # with the next click, whatever that is on.
        st.session_state[key] = user.role
        raise


def _disable(user: UserOut) -> None:
    client().change_user(user.name, disabled=not user.disabled)


def _password_form(name: str) -> None:
    with st.form(f"password_form:{name}", border=False, clear_on_submit=True):
        st.text_input(
            f"New password of {plain(name)}", key=f"given_password:{name}", type="password"
        )
        st.form_submit_button(
            "Set", key=f"set_password:{name}", on_click=attempt, args=(_set_password, name)
        )


def _set_password(name: str) -> None:
    client().change_user(name, password=st.session_state[f"given_password:{name}"])
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
