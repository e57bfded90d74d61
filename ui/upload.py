"""Adding products: drop files, see what would become of them, watch them travel."""

from __future__ import annotations

from typing import Any, get_args

import streamlit as st

from backend.catalogue.schemas import ImportCreate, ManifestOptions, Split
from ui import import_progress, manifest_preview
from ui.connection import client
from ui.dropped import ENDINGS, Dropped, cards
from ui.sending import send
from ui.text import amount, bytes_of

_CARDS = 8
_CONFLICTS = {
    "update": "update it",
    "skip": "leave it as it is",
    "error": "refuse the line",
}


def draw() -> None:
    """The form, or the import that was started with it."""
    sent = st.session_state.get("import_sent")
    if sent is not None:
        import_progress.draw(sent)
        return
    dropped = Dropped(_files())
    options = ManifestOptions()
    if dropped.lists:
        # Its box stands below the preview, which shows at once what it changes.
        conflict = st.session_state.get("upload_conflict", "update")
        options = manifest_preview.draw(dropped, conflict)
    elif dropped.pictures:
        _pictures(dropped)
    if dropped.zips:
        names = ", ".join(file.name for file in dropped.zips)
        st.caption(f"Looked into when it has arrived: {names}", text_alignment="left")
    request = _choices(options)
    size = sum(file.size for file in dropped.files)
    files = f"Add {amount(len(dropped.files), 'file')} · {bytes_of(size)}"
    if st.button(
        files if dropped.files else "Add",
        type="primary",
        disabled=not dropped.files,
        key="upload_start",
    ):
        st.session_state["import_sent"] = send(dropped.files, request)
        st.rerun()


def _files() -> Any:
    folder = st.segmented_control(
        "What to add",
        ["Files", "A folder"],
        default="Files",
        required=True,
        key="upload_kind",
        label_visibility="collapsed",
    )
    files = st.file_uploader(
        "Drop pictures, zip archives, or a CSV, TSV or JSONL list of products",
        ENDINGS,
        accept_multiple_files="directory" if folder == "A folder" else True,
        key=f"upload_files_{'folder' if folder == 'A folder' else 'single'}",
    )
    if not files:
        st.caption(
            "A file's name becomes its SKU. Folder names can tell split and category: "
            "`train/dress/red.jpg`. A list has a line per product: sku, image, title, category, "
            "split, price, and any further column as an attribute; exports of shops are "
            "understood, and you see what comes of it before anything is written. Files of more "
            "than 100 MB, and thousands of pictures: `akin ingest`."
        )
    return files


def _pictures(dropped: Dropped) -> None:
    """What the names of the first pictures say."""
    files = list(dropped.pictures.values())[:_CARDS]
    found = client().preview_pictures([file.name for file in files])
    with st.container(border=True, key="pictures_preview"):
        st.markdown("**What their names say**")
        facts = [
            (one.sku, " · ".join(text for text in (one.category, one.split) if text))
            for one in found
        ]
        titles = [one.title for one in found]
        st.html(cards(list(zip(files, titles, facts, strict=True))))
        if len(dropped.pictures) > len(files):
            st.caption(f"And {amount(len(dropped.pictures) - len(files), 'more picture')}.")


def _choices(options: ManifestOptions) -> ImportCreate:
    left, middle, right = st.columns(3)
    category = left.text_input(
        "Category if the folder doesn't say", key="upload_category", placeholder="uncategorised"
    )
    split = middle.selectbox("Split if the folder doesn't say", get_args(Split), key="upload_split")
    conflict = right.selectbox(
        "If a SKU exists already",
        list(_CONFLICTS),
        format_func=lambda choice: _CONFLICTS[choice],
        key="upload_conflict",
    )
    chosen: dict[str, Any] = {"on_conflict": conflict, "category": category.strip() or None}
    return ImportCreate.model_validate(options.model_dump() | chosen | {"split": split})
