"""Akin's UI: `streamlit run ui/app.py`, with AKIN_URL naming the API."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from backend.accounts.roles import RANK, Role
from backend.accounts.schemas import Me
from ui import (
    access,
    audit,
    catalogue,
    compare,
    connection,
    galleries,
    jobs,
    models,
    search,
    theme,
    triplets,
    users,
)

# What draws each page, its title and path, and the least role that it is for. (A string here would
# be shown: Streamlit draws those of its main script.)
PAGES: tuple[tuple[Callable[[], None], str, str, Role], ...] = (
    (search.page, "Search", "search", "shopper"),
    (catalogue.page, "Catalogue", "catalogue", "manager"),
    (triplets.page, "Triplets", "triplets", "manager"),
    (models.page, "Models", "models", "admin"),
    (compare.page, "Compare", "compare", "admin"),
    (jobs.page, "Jobs", "jobs", "manager"),
    (galleries.page, "Galleries", "galleries", "admin"),
    (audit.page, "Audit log", "audit", "admin"),
    (users.page, "Users", "users", "admin"),
)


def draw(me: Me | None) -> None:
    """The page that was asked for, or the login."""
    if me is None:
        # Under every page's path: whoever followed a link is there once logged in.
        _run([(access.page, title, path) for _, title, path, _ in PAGES], hidden=True)
        return
    access.draw(me)
    mine = [
        (page, title, path)
        for page, title, path, role in PAGES
        if RANK[me.role] >= RANK[role] and (me.accounts or path != "users")
    ]
    _run(mine)


def _run(pages: list[tuple[Callable[[], None], str, str]], *, hidden: bool = False) -> None:
    shown = [
        st.Page(page, title=title, url_path=path, default=path == "search")
        for page, title, path in pages
    ]
    st.navigation(shown, position="hidden" if hidden else "top").run()


st.set_page_config(
    page_title="Akin: find it like this, but different",
    page_icon=":material/join_inner:",
    layout="wide",
)
theme.apply()
with connection.told():
    draw(access.who())
