"""The dialog that edits one product: its pictures, its fields, its attributes."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from html import escape
from typing import get_args

import streamlit as st
from pydantic import ValidationError

from backend.catalogue.schemas import AttributeValue, ProductOut, ProductUpdate, Split
from backend.errors import InvalidInput
from ui import pictures
from ui.connection import attempt, client, told
from ui.text import plain

_SPLITS = get_args(Split)


@st.dialog("Edit product", width="large")
def open_for(product_id: str) -> None:
    """Open the dialog for a product."""
    with told():
        product = client().product(product_id)
        st.caption(f"SKU {plain(product.sku)}")
        _pictures(product)
        _fields(product)
        _delete(product)


def _pictures(product: ProductOut) -> None:
    with pictures.grid("editor"):
        for image in product.images:
            with st.container(key=f"card_image_{image.id}"):
                st.html(pictures.picture(pictures.thumbnail(image), product.title))
                if image.problem:
                    st.html(f'<div class="akin-state">{escape(image.problem)}</div>')
                st.button(
                    "Remove",
                    key=f"remove_{image.id}",
                    type="tertiary",
                    on_click=attempt,
                    args=(client().remove_image, product.id, image.id),
                )
    number = st.session_state.setdefault("added_pictures", 0)
    key = f"add_{product.id}_{number}"
    st.file_uploader(
        "Add pictures",
        pictures.FORMATS,
        accept_multiple_files=True,
        key=key,
        on_change=_add_pictures,
        args=(product.id, key),
    )


def _add_pictures(product_id: str, key: str) -> None:
    for file in st.session_state[key]:
        attempt(client().add_image, product_id, file.name, file.getvalue())
    st.session_state["added_pictures"] += 1


def _fields(product: ProductOut) -> None:
    with st.form(f"fields_{product.id}", border=False):
        title = st.text_input("Title", product.title, key="edit_title")
        left, right = st.columns(2)
        category = left.text_input("Category", product.category, key="edit_category")
        split = right.selectbox("Split", _SPLITS, _SPLITS.index(product.split), key="edit_split")
        price = left.text_input("Price", str(product.price or ""), key="edit_price")
        currency = right.text_input(
            "Currency", product.currency or "", key="edit_currency", placeholder="EUR", max_chars=3
        )
        attributes = _attributes(product)
        if not st.form_submit_button("Save", type="primary", key="edit_save"):
            return
    client().update_product(
        product.id,
        change_of(
            {"title": title, "category": category, "split": split, "attributes": attributes}
            | {"price": amount_of(price), "currency": currency.strip().upper() or None}
        ),
    )
    st.rerun()


def _attributes(product: ProductOut) -> dict[str, AttributeValue | None]:
    """The attributes as edited; one that was emptied is None, so that it goes away."""
    edited: dict[str, AttributeValue | None] = {}
    columns = st.columns(2)
    for place, (key, value) in enumerate(sorted(product.attributes.items())):
        text = columns[place % 2].text_input(
            plain(key), written(value), key=f"edit_attribute_{key}"
        )
        edited[key] = typed(text, value)
    name = columns[0].text_input("New attribute", key="edit_new_name", placeholder="material")
    value = columns[1].text_input("Its value", key="edit_new_value", placeholder="cotton")
    if name.strip() and value.strip():
        edited[name.strip()] = typed(value, None)
    return edited


def written(value: AttributeValue) -> str:
    """An attribute's value as one types it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def typed(text: str, before: AttributeValue | None) -> AttributeValue | None:
    """The value that was typed: text stays text, the rest becomes a number or yes and no.

    None where nothing is left of it.
    """
    text = text.strip()
    if before is not None and text == written(before):
        return before
    if not text:
        return None
    if isinstance(before, str):
        return text
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def amount_of(text: str) -> Decimal | None:
    """The price that was typed, with a point or a comma; None where it was emptied.

    Raises:
        InvalidInput: if it is no number.
    """
    if not text.strip():
        return None
    try:
        return Decimal(text.strip().replace(",", "."))
    except InvalidOperation as error:
        raise InvalidInput(
            f"The price '{text}' is not a number: write for example 19.90."
        ) from error


def change_of(fields: dict[str, object]) -> ProductUpdate:
    """The change, checked before it is sent.

    Raises:
        InvalidInput: if a field cannot be what was typed.
    """
    try:
        return ProductUpdate.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = " ".join(str(part) for part in first["loc"])
        raise InvalidInput(f"The {place} cannot be saved: {first['msg']}.") from error


def _delete(product: ProductOut) -> None:
    with st.container(horizontal=True, key="delete_row", vertical_alignment="center"):
        sure = st.checkbox("I want to delete this product", key=f"sure_{product.id}")
        if st.button("Delete", key=f"delete_{product.id}", disabled=not sure):
            client().delete_product(product.id)
            st.rerun()
