"""Adding products: drop files, watch them travel, read what became of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from backend.catalogue.schemas import FileClaim, ImportCreate, Split
from ui import import_progress
from ui.connection import client
from ui.pictures import FORMATS
from ui.text import amount

_FORMATS = [*FORMATS, "zip", "csv", "tsv", "jsonl", "ndjson"]
_CLAIMS_AT_ONCE = 1000
_CONFLICTS = {
    "update": "update it",
    "skip": "leave it as it is",
    "error": "refuse the line",
}


def draw() -> None:
    """The form, or the import that was started with it."""
    job_id = st.session_state.get("import_job")
    if job_id is not None:
        import_progress.draw(job_id)
        return
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
        _FORMATS,
        accept_multiple_files="directory" if folder == "A folder" else True,
        key=f"upload_files_{'folder' if folder == 'A folder' else 'single'}",
    )
    st.caption(
        "A file's name becomes its SKU. Folder names can tell split and category: "
        "`train/dress/red.jpg`. A list has a line per product: sku, title, category, split, price, "
        "image, and any further column as an attribute."
    )
    request = _choices()
    if st.button(
        f"Add {amount(len(files), 'file')}" if files else "Add",
        type="primary",
        disabled=not files,
        key="upload_start",
    ):
        st.session_state["import_job"] = _send(files, request)
        st.rerun()


def _choices() -> ImportCreate:
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
    return ImportCreate.model_validate(chosen | {"split": split})


def _send(files: Sequence[UploadedFile], request: ImportCreate) -> str:
    """Send what the server lacks and start the import; its job id."""
    bar = st.progress(0.0, "Looking at the files")
    by_hash = {hashlib.sha256(file.getbuffer()).hexdigest(): file for file in files}
    job = client().open_import(request)
    missing = [sha for batch in _claims(files) for sha in client().claim_files(job.id, batch)]
    for count, sha in enumerate(missing):
        bar.progress(
            count / len(missing), f"Sending {count + 1:,} of {amount(len(missing), 'file')}"
        )
        client().send_file(job.id, sha, by_hash[sha].getvalue())
    client().start_import(job.id)
    return job.id


def _claims(files: Sequence[UploadedFile]) -> Iterator[list[FileClaim]]:
    for start in range(0, len(files), _CLAIMS_AT_ONCE):
        yield [_claim(file) for file in files[start : start + _CLAIMS_AT_ONCE]]


def _claim(file: UploadedFile) -> FileClaim:
    sha = hashlib.sha256(file.getbuffer()).hexdigest()
    return FileClaim(name=file.name, sha256=sha, size=file.size)
