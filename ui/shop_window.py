"""What a visitor sees before asking anything: a mixed look at the catalogue."""

from __future__ import annotations

import hashlib

import streamlit as st

from backend.catalogue.schemas import ProductOut
from ui import composing, pictures
from ui.connection import client, told
from ui.history import History, reference_to
from ui.text import amount

_AT_ONCE = 24
_PAGE = 96
_LOOK_AGAIN_SECONDS = 3


def draw(history: History, filters: list[str]) -> None:
    """The grid, and a way to see more of it."""
    if st.session_state.get("window_for") != filters:
        st.session_state["window_for"], st.session_state["window_shown"] = filters, _AT_ONCE
    shown: int = st.session_state["window_shown"]
    products, total = _products(filters, shown)
    if not products:
        _nothing(filters)
        return
    st.html(
        "<div class='akin-head'><h2>Pick something you almost like</h2>"
        f"<span>{amount(total, 'product')}</span></div>"
    )
    with pictures.grid("window"):
        for product in products[:shown]:
            _offer(history, product)
    if shown < total:
        st.button("Show more", key="more_window", on_click=_more)


def mixed(products: list[ProductOut]) -> list[ProductOut]:
    """The products in an order that looks varied and stays the same."""
    return sorted(products, key=lambda product: hashlib.sha256(product.id.encode()).digest())


def _products(filters: list[str], count: int) -> tuple[list[ProductOut], int]:
    """At least `count` products, mixed page by page, and how many there are."""
    found: list[ProductOut] = []
    cursor: str | None = None
    while True:
        page = client().products(filters, cursor=cursor, limit=_PAGE)
        found += mixed(page.items)
        cursor = page.next_cursor
        if cursor is None or len(found) >= count:
            return found, page.total


def _more() -> None:
    st.session_state["window_shown"] += _AT_ONCE


def _offer(history: History, product: ProductOut) -> None:
    image = pictures.image_of(product)
    with st.container(key=f"card_window_{product.id}"):
        st.html(pictures.card(product, image))
        if image is not None:
            reference = reference_to(product, image.id, pictures.thumbnail(image))
            st.button(
                "Like this, but…",
                key=f"pick_window_{product.id}",
                on_click=composing.choose,
                args=(history, reference),
            )


def _nothing(filters: list[str]) -> None:
    if filters:
        st.html(
            '<div class="akin-empty"><h2>Nothing is left under these filters</h2>'
            "<p>Take one away, and the shelves fill up again.</p></div>"
        )
        return
    st.html(
        '<div class="akin-empty"><h2>The shelves are still empty</h2>'
        "<p>Add pictures of your products on the Catalogue page: drop them in, and they can be "
        "found a moment later.</p></div>"
    )
    _await_products()


@st.fragment(run_every=_LOOK_AGAIN_SECONDS)
def _await_products() -> None:
    """An import may be filling the shelves just now: show what it brings without a click."""
    with told():
        if client().summary().products:
            st.rerun()
