"""The catalogue to take away: how large it is, and where to download it."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import streamlit as st

from ui.connection import client, download_url
from ui.text import amount, bytes_of, plain


def draw(filters: Sequence[str]) -> None:
    """A button that tells the size before anything is downloaded, of what the filters leave."""
    panel = st.popover("Export", icon=":material/archive:", key="export_panel", on_change="rerun")
    if not panel.open:
        return
    with panel:
        size = client().export_size(filters)
        which = "The products under the filters" if filters else "The whole catalogue"
        st.markdown(
            f"{which}: {amount(size.products, 'product')} with {amount(size.images, 'picture')}, "
            f"**{bytes_of(size.bytes)}**, as a zip"
            f"{'.' if size.zip_problem else ' that imports again to the same.'}"
        )
        if size.zip_problem:
            st.warning(plain(size.zip_problem), icon=":material/folder_zip:")
        query = f"?{urlencode([('filters', one) for one in filters])}" if filters else ""
        # Straight from the API: a catalogue of gigabytes must not go through this page's memory.
        st.link_button(
            "Download the zip",
            download_url(f"/v1/catalogue/export.zip{query}"),
            key="export_zip",
            type="primary",
            icon=":material/download:",
        )
        st.link_button(
            "Only the list (JSONL)",
            download_url(f"/v1/catalogue/export.jsonl{query}"),
            key="export_lines",
            type="tertiary",
        )
