"""What was dropped on the page: lists of products, zips and pictures."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from backend.errors import AkinError
from ui.pictures import FORMATS, picture
from ui.thumbnails import drawn

LISTS = ["csv", "tsv", "jsonl", "ndjson"]
"""The endings of files that list products."""
ENDINGS = [*FORMATS, "zip", *LISTS]


@dataclass(frozen=True)
class Dropped:
    """The files, in the order they were dropped in."""

    files: Sequence[UploadedFile]

    @cached_property
    def lists(self) -> list[UploadedFile]:
        """CSV, TSV and JSONL files."""
        return [file for file in self.files if _ending(file) in LISTS]

    @cached_property
    def zips(self) -> list[UploadedFile]:
        """Archives, opened only by the server."""
        return [file for file in self.files if _ending(file) == "zip"]

    @cached_property
    def pictures(self) -> Mapping[str, UploadedFile]:
        """Pictures by name, in one Unicode form as a list may name them in the other."""
        found = [file for file in self.files if _ending(file) in FORMATS]
        return {one_form(file.name): file for file in found}


def one_form(name: str) -> str:
    """A file's name for comparison: macOS sends decomposed ones."""
    return unicodedata.normalize("NFC", name)


def cards(found: Sequence[tuple[UploadedFile | None, str, Sequence[str]]]) -> str:
    """Pictures with a title and small lines under each, as HTML; the texts are escaped here."""
    return f'<div class="akin-strip">{"".join(_card(*one) for one in found)}</div>'


def _card(file: UploadedFile | None, title: str, lines: Sequence[str]) -> str:
    source = "" if file is None else _thumbnail(file)
    below = "".join(f"<div class='akin-line'>{escape(line)}</div>" for line in lines if line)
    return (
        f"<div>{picture(source or None, title)}"
        f'<div class="akin-title" title="{escape(title)}">{escape(title)}</div>{below}</div>'
    )


def _thumbnail(file: UploadedFile) -> str:
    try:
        return _drawn(file.file_id, file)
    except AkinError:
        return ""


@st.cache_data(max_entries=200, show_spinner=False)
def _drawn(file_id: str, _file: UploadedFile) -> str:
    return drawn(_file.getvalue())


def _ending(file: UploadedFile) -> str:
    name: str = file.name
    return name.rpartition(".")[2].lower()
