"""Browsing the catalogue: filter, look for a text, sort, turn pages, select, edit."""

from __future__ import annotations

import math
from html import escape
from typing import get_args

import streamlit as st

from backend.catalogue.schemas import ProductOut, ProductSort
from backend.paging import Page
from ui import export_panel, filters_panel, pictures, product_editor, scrolling, selection
from ui.connection import client
from ui.text import amount

PAGE = 48
_SORTS: dict[ProductSort, str] = {
    "newest": "Newest first",
    "oldest": "Oldest first",
    "sku": "By SKU",
    "title": "By title",
}


def draw() -> None:
    """A page of the products under the filters, or of those that an import brought."""
    job_id: str | None = st.session_state.get("browse_import")
    filters = [] if job_id else filters_panel.sidebar("catalogue")
    text = "" if job_id else _bar(filters)
    sort: ProductSort = st.session_state.get("browse_sort", "newest")
    number = _page_number((filters, text, sort, job_id))
    found = _found(filters, text, sort, job_id, number)
    if not found.items and number > 1:  # what stood there was deleted
        number = st.session_state["browse_page"] = max(math.ceil(found.total / PAGE), 1)
        found = _found(filters, text, sort, job_id, number)
    scrolling.to_top((number, job_id))
    if job_id:
        _import_note(found.total)
    _toolbar(found, filters, text, job_id)
    if not found.items:
        _nothing(bool(filters or text))
        return
    with pictures.grid("browse"):
        for product in found.items:
            _tile(product)
    _turn(number, found.total)


def show_import(job_id: str) -> None:
    """Show what an import brought, at the next drawing of the page."""
    st.session_state["browse_import"] = job_id
    st.session_state["catalogue_view"] = "Products"
    st.session_state["scrolled_for"] = None


def _show_everything() -> None:
    st.session_state["browse_import"] = None


def _bar(filters: list[str]) -> str:
    with st.container(horizontal=True, vertical_alignment="bottom", key="browse_bar"):
        text = st.text_input(
            "Find",
            key="browse_text",
            placeholder="Title or SKU",
            icon=":material/search:",
            label_visibility="collapsed",
            persist_state="session",
        )
        st.selectbox(
            "Order",
            get_args(ProductSort),
            format_func=_SORTS.__getitem__,
            key="browse_sort",
            label_visibility="collapsed",
            persist_state="session",
            width=170,
        )
        export_panel.draw(filters)
    return text or ""


def _page_number(shown: object) -> int:
    """The page to show: the first one when something else is looked at than before."""
    if st.session_state.get("browse_for") != shown:
        st.session_state["browse_for"], st.session_state["browse_page"] = shown, 1
    number: int = st.session_state["browse_page"]
    return number


def _found(
    filters: list[str], text: str, sort: ProductSort, job_id: str | None, number: int
) -> Page[ProductOut]:
    offset = (number - 1) * PAGE
    if job_id:
        return client().imported_products(job_id, limit=PAGE, offset=offset)
    return client().products(filters, text=text, sort=sort, offset=offset, limit=PAGE)


def _import_note(total: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="browse_imported"):
        st.markdown(f"**{amount(total, 'line')} of the import made or changed these products.**")
        st.button(
            "Show the whole catalogue",
            key="browse_everything",
            type="tertiary",
            on_click=_show_everything,
        )


def _toolbar(found: Page[ProductOut], filters: list[str], text: str, job_id: str | None) -> None:
    ids = [product.id for product in found.items]
    with st.container(horizontal=True, vertical_alignment="center", key="browse_tools"):
        number = st.session_state["browse_page"]
        first = (number - 1) * PAGE + 1
        if found.items:
            last = min(first + PAGE - 1, found.total)
            st.html(
                f'<div class="akin-count">{first:,} to {last:,} of '
                f"{escape(amount(found.total, 'product'))}</div>",
                width="content",
            )
        selection.draw(ids, found.total, None if job_id else (filters, text))


def _tile(product: ProductOut) -> None:
    image = pictures.image_of(product)
    with st.container(key=f"card_browse_{product.id}"):
        st.html(pictures.card(product, image, [_facts(product)]))
        if st.button("Edit", key=f"pick_browse_{product.id}"):
            product_editor.open_for(product.id)
        selection.box(product.id)


def _facts(product: ProductOut) -> str:
    problems = [image.problem for image in product.images if image.problem]
    waiting = any(not image.embedded for image in product.images) and not problems
    state = "not searchable yet" if waiting else "picture unreadable" if problems else ""
    return (
        f'<div class="akin-facts akin-small"><span>{escape(product.sku)}</span>'
        f"<span>{escape(product.split)}</span></div>"
        f'<div class="akin-state" title="{escape("; ".join(problems))}">{state}</div>'
    )


def _turn(number: int, total: int) -> None:
    """Before, after, and a jump to any page."""
    last = math.ceil(total / PAGE)
    if last <= 1:
        return
    with st.container(
        horizontal=True,
        horizontal_alignment="center",
        vertical_alignment="center",
        key="browse_turn",
    ):
        for label, icon, target in (
            ("First page", "first_page", 1),
            ("Page before", "chevron_left", number - 1),
        ):
            _turn_button(label, icon, target, disabled=number == 1)
        st.session_state["browse_jump"] = number
        st.number_input(
            "Page",
            1,
            last,
            key="browse_jump",
            on_change=_jump,
            label_visibility="collapsed",
            width=130,
        )
        st.html(f'<div class="akin-count">of {last:,}</div>', width="content")
        for label, icon, target in (
            ("Next page", "chevron_right", number + 1),
            ("Last page", "last_page", last),
        ):
            _turn_button(label, icon, target, disabled=number == last)


def _turn_button(label: str, icon: str, target: int, *, disabled: bool) -> None:
    st.button(
        label,
        icon=f":material/{icon}:",
        key=f"turn_{icon}",
        type="tertiary",
        disabled=disabled,
        on_click=_go,
        args=(target,),
    )


def _jump() -> None:
    _go(st.session_state["browse_jump"])


def _go(number: int) -> None:
    st.session_state["browse_page"] = number


def _nothing(narrowed: bool) -> None:
    title = "No product matches" if narrowed else "The catalogue is empty"
    hint = "Try fewer filters or another text." if narrowed else "Choose “Add products” above."
    st.html(f'<div class="akin-empty"><h2>{title}</h2><p>{hint}</p></div>')
