"""Browsing the catalogue: filter, look for a text, select, edit, move, delete."""

from __future__ import annotations

from html import escape

import streamlit as st

from backend.catalogue.schemas import BulkEdit, ProductOut, Split
from ui import filters_panel, pictures, product_editor
from ui.connection import client, told
from ui.text import amount

_AT_ONCE = 48
_SPLITS: tuple[Split, ...] = ("train", "val", "test")


def draw() -> None:
    """The products under the filters, newest first."""
    filters = filters_panel.sidebar("catalogue")
    with st.container(horizontal=True, vertical_alignment="bottom", key="browse_bar"):
        text = st.text_input(
            "Find",
            key="browse_text",
            placeholder="Title or SKU",
            icon=":material/search:",
            label_visibility="collapsed",
            persist_state="session",
        )
        _selection_bar()
    products, total = _products(filters, text or "")
    if not products:
        _nothing(bool(filters or text))
        return
    with pictures.grid("browse"):
        for product in products:
            _tile(product)
    if len(products) < total and st.button("Show more", key="more_browse"):
        st.session_state["browse_limit"] += _AT_ONCE
        st.rerun()


def _products(filters: list[str], text: str) -> tuple[list[ProductOut], int]:
    """As many as are shown so far, asked afresh each time: the manager must see what is."""
    if st.session_state.get("browse_for") != (filters, text):
        st.session_state["browse_for"], st.session_state["browse_limit"] = (filters, text), _AT_ONCE
    found: list[ProductOut] = []
    cursor: str | None = None
    while len(found) < st.session_state["browse_limit"]:
        page = client().products(filters, text=text, cursor=cursor, limit=_AT_ONCE)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found, len(found)
    return found, page.total


def _tile(product: ProductOut) -> None:
    image = pictures.image_of(product)
    with st.container(key=f"card_browse_{product.id}"):
        st.html(pictures.card(product, image, [_facts(product)]))
        if st.button("Edit", key=f"pick_browse_{product.id}"):
            product_editor.open_for(product.id)
        st.checkbox("Select", key=f"select_{product.id}", label_visibility="collapsed")


def _facts(product: ProductOut) -> str:
    problems = [image.problem for image in product.images if image.problem]
    waiting = any(not image.embedded for image in product.images) and not problems
    state = "not searchable yet" if waiting else "picture unreadable" if problems else ""
    return (
        f'<div class="akin-facts akin-small"><span>{escape(product.sku)}</span>'
        f"<span>{escape(product.split)}</span></div>"
        f'<div class="akin-state" title="{escape("; ".join(problems))}">{state}</div>'
    )


def _selected() -> list[str]:
    prefix = "select_"
    return [
        str(key).removeprefix(prefix)
        for key, on in st.session_state.items()
        if str(key).startswith(prefix) and on is True
    ]


def _selection_bar() -> None:
    chosen = _selected()
    if not chosen:
        st.caption("Click a picture to edit it; tick several to move or delete them together.")
        return
    st.html(f'<div class="akin-chosen">{amount(len(chosen), "product")} selected</div>')
    with st.popover("Move to split", key="bulk_move"):
        for split in _SPLITS:
            if st.button(split, key=f"move_{split}", type="tertiary"):
                client().bulk_edit(BulkEdit(product_ids=chosen, split=split))
                _unselect()
                st.rerun()
    if st.button("Delete", key="bulk_delete", icon=":material/delete:"):
        confirm_delete(chosen)
    st.button("Unselect", key="bulk_unselect", type="tertiary", on_click=_unselect)


def _unselect() -> None:
    for product_id in _selected():
        del st.session_state[f"select_{product_id}"]


@st.dialog("Delete products?")
def confirm_delete(chosen: list[str]) -> None:
    """Ask before products go for good."""
    st.write(
        f"{amount(len(chosen), 'product')} will be deleted with their pictures. "
        "This cannot be undone."
    )
    with told(), st.container(horizontal=True):
        if st.button(f"Delete {amount(len(chosen), 'product')}", type="primary", key="yes_delete"):
            client().bulk_edit(BulkEdit(product_ids=chosen, delete=True))
            _unselect()
            st.rerun()
        if st.button("Keep them", key="no_delete"):
            st.rerun()


def _nothing(narrowed: bool) -> None:
    title = "No product matches" if narrowed else "The catalogue is empty"
    hint = "Try fewer filters or another text." if narrowed else "Choose “Add products” above."
    st.html(f'<div class="akin-empty"><h2>{title}</h2><p>{hint}</p></div>')
