"""Products that are ticked, on whatever page, and what is done to them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import streamlit as st

from backend.catalogue.schemas import BulkEdit, Split
from ui.connection import client, told
from ui.text import amount

MOST = 10_000
"""Products that can be selected at once, over all pages."""
_AT_ONCE = 1000
_PAGE = 200


def chosen() -> set[str]:
    """The ids of the ticked products; change them in place."""
    found: set[str] = st.session_state.setdefault("selected_products", set())
    return found


def box(product_id: str) -> None:
    """The box that ticks a product."""
    key = f"select_{product_id}"
    st.session_state[key] = product_id in chosen()
    st.checkbox(
        "Select",
        key=key,
        label_visibility="collapsed",
        on_change=_toggle,
        args=(product_id,),
    )


def draw(page: Sequence[str], total: int, under: tuple[list[str], str] | None) -> None:
    """What can be ticked at once, and what to do with what is.

    page: the ids on this page. under: filters and text that `total` products match, if a search
    for them can be repeated.
    """
    selected = chosen()
    if page and not selected.issuperset(page):
        _button("Select the page", "mark_page", selected.update, page)
    if not selected:
        return
    if under is not None and len(selected) < total and total > len(page):
        if total <= MOST:
            _button(f"Select all {total:,}", "mark_matching", _select_matching, *under)
        else:
            st.caption(f"More than {MOST:,} match: filter, to select all.", width="content")
    told = f'<div class="akin-chosen">{amount(len(selected), "product")} selected</div>'
    st.html(told, width="content")
    _actions(selected)


def _actions(selected: set[str]) -> None:
    with st.popover("Move to split", key="bulk_move"):
        for split in get_args(Split):
            if st.button(split, key=f"move_{split}", type="tertiary"):
                _edit(BulkEdit(product_ids=["-"], split=split))
    with st.popover("Set category", key="bulk_category_open"):
        category = st.text_input("Category", key="bulk_category", max_chars=100)
        if st.button("Set", key="bulk_category_set", disabled=not category.strip()):
            _edit(BulkEdit(product_ids=["-"], category=category))
    if st.button("Delete", key="bulk_delete", icon=":material/delete:"):
        confirm_delete(sorted(selected))
    _button("Unselect", "bulk_unselect", selected.clear)


@st.dialog("Delete products?")
def confirm_delete(ids: list[str]) -> None:
    """Ask before products go for good."""
    st.write(
        f"{amount(len(ids), 'product')} will be deleted with their pictures. This cannot be undone."
    )
    with told(), st.container(horizontal=True):
        if st.button(f"Delete {amount(len(ids), 'product')}", type="primary", key="yes_delete"):
            _send(BulkEdit(product_ids=["-"], delete=True), ids)
            chosen().clear()
            st.rerun()
        if st.button("Keep them", key="no_delete"):
            st.rerun()


def _toggle(product_id: str) -> None:
    if st.session_state[f"select_{product_id}"]:
        chosen().add(product_id)
    else:
        chosen().discard(product_id)


def _select_matching(filters: list[str], text: str) -> None:
    cursor: str | None = None
    with told():
        while True:
            page = client().products(filters, text=text, cursor=cursor, limit=_PAGE)
            chosen().update(product.id for product in page.items)
            cursor = page.next_cursor
            if cursor is None:
                return


def _edit(edit: BulkEdit) -> None:
    _send(edit, sorted(chosen()))
    chosen().clear()
    st.rerun()


def _send(edit: BulkEdit, ids: Sequence[str]) -> None:
    """The edit, to as many products at once as the API takes."""
    for start in range(0, len(ids), _AT_ONCE):
        part = list(ids[start : start + _AT_ONCE])
        client().bulk_edit(edit.model_copy(update={"product_ids": part}))


def _button(label: str, key: str, action: object, *arguments: object) -> None:
    st.button(label, key=key, type="tertiary", on_click=action, args=arguments)  # type: ignore[arg-type]
