"""A dropped list before anything is written: its columns, its first products, its mistakes."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from backend.catalogue.preview_schemas import (
    ManifestPreview,
    PreviewRequest,
    ProductPreview,
    named_pictures,
)
from backend.catalogue.schemas import ManifestOptions, OnConflict
from backend.client import ApiError
from ui import manifest_columns
from ui.connection import client
from ui.dropped import Dropped, cards, one_form
from ui.manifest_columns import Choice
from ui.text import amount, money, plain

_CARDS = 12
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", None: "JSON lines"}


def draw(dropped: Dropped, on_conflict: OnConflict) -> ManifestOptions:
    """The preview of the lists that were dropped; how the manager wants them read."""
    choice = manifest_columns.choice_for([file.file_id for file in dropped.lists])
    file = dropped.lists[0]
    if len(dropped.lists) > 1:
        names = {one.file_id: one.name for one in dropped.lists}
        shown = st.selectbox("List", list(names), format_func=names.__getitem__, key="manifest")
        file = next(one for one in dropped.lists if one.file_id == shown)
    try:
        seen = _seen(file, dropped, choice, on_conflict)
    except ApiError as error:
        _refused(error, choice)
    else:
        _draw(seen, dropped, choice)
    return choice.options()


def _seen(
    file: UploadedFile, dropped: Dropped, choice: Choice, on_conflict: OnConflict
) -> ManifestPreview:
    """The server's preview, asked anew only where something changed."""
    pictures = None if dropped.zips else named_pictures(dropped.pictures)
    options = choice.options().model_dump()
    request = PreviewRequest(**options, pictures=pictures, on_conflict=on_conflict)
    key = (file.file_id, request.model_dump_json())
    known = st.session_state.get("manifest_seen")
    if known is None or known[0] != key:
        with st.spinner("Looking at the list"):
            known = (key, client().preview_manifest(file.name, file.getvalue(), request))
        st.session_state["manifest_seen"] = known
    found: ManifestPreview = known[1]
    return found


def _refused(error: ApiError, choice: Choice) -> None:
    st.error(plain(error.sentence), icon=":material/error:")
    if error.code == "not-utf-8":
        st.button(
            "Read it as Western European (Windows-1252)",
            key="manifest_1252",
            on_click=_read_as,
            args=(choice,),
        )
        st.caption(
            "Excel saves so where nothing else is chosen. Look whether the accents are right."
        )
    elif choice.columns or choice.ignored:
        st.button("Undo the choice of columns", key="manifest_undo", on_click=_undo, args=(choice,))


def _read_as(choice: Choice) -> None:
    choice.encoding = "windows-1252"


def _undo(choice: Choice) -> None:
    choice.columns, choice.ignored = {}, []


def _draw(seen: ManifestPreview, dropped: Dropped, choice: Choice) -> None:
    with st.container(border=True, key="manifest_preview"):
        st.markdown(f"**{plain(seen.name)}**")
        st.caption(
            f"{amount(seen.rows, 'row')} · {seen.encoding} · {_DELIMITERS.get(seen.delimiter, '')}"
        )
        manifest_columns.draw(seen, choice)
        if seen.refusal:
            st.warning(plain(seen.refusal), icon=":material/rule:")
            return
        _counts(seen)
        _products(seen, dropped)
        _problems(seen)


def _counts(seen: ManifestPreview) -> None:
    counts = {
        "New products": seen.good - seen.existing,
        "In the catalogue already": seen.existing,
        "Rows refused": seen.bad,
    }
    if seen.skipped:
        counts["Left as they are"] = seen.skipped
    with st.container(horizontal=True, key="manifest_counts"):
        for label, count in counts.items():
            st.metric(label, f"{count:,}", width="content")
    if seen.absent:
        st.warning(
            f"Pictures of {amount(seen.absent, 'row')} were not dropped: drop them along with the "
            "list, or a zip that holds them.",
            icon=":material/image_not_supported:",
        )


def _products(seen: ManifestPreview, dropped: Dropped) -> None:
    if not seen.products:
        return
    st.html('<div class="akin-side">The first products</div>')
    shown = [
        (_picture_of(one, dropped), one.title or one.sku, _lines(one))
        for one in seen.products[:_CARDS]
    ]
    st.html(cards(shown))


def _picture_of(product: ProductPreview, dropped: Dropped) -> UploadedFile | None:
    found = (dropped.pictures.get(one_form(name)) for name in product.images)
    return next((file for file in found if file is not None), None)


def _lines(product: ProductPreview) -> list[str]:
    facts = [money(product.price, product.currency), product.category or "", product.split or ""]
    more = len(product.images) - 1
    return [
        product.sku + (" · in the catalogue" if product.exists else ""),
        " · ".join(fact for fact in facts if fact),
        ", ".join(str(value) for value in (product.attributes or {}).values()),
        f"and {amount(more, 'more picture')}" if more > 0 else "",
    ]


def _problems(seen: ManifestPreview) -> None:
    if not seen.problems:
        return
    st.html('<div class="akin-side">What would be refused</div>')
    prefix = f"{seen.name}, row "
    st.dataframe(
        [
            {
                "row": problem.row,
                "SKU": problem.sku,
                "why": problem.sentence.removeprefix(f"{prefix}{problem.row}: "),
            }
            for problem in seen.problems
        ],
        hide_index=True,
        key="manifest_problems",
        column_config={"row": st.column_config.NumberColumn(width="small")},
    )
    if seen.bad > len(seen.problems):
        st.caption(f"And {amount(seen.bad - len(seen.problems), 'more row')}.")
