"""What a comparison of catalogue, pictures and search index found, in sentences."""

from __future__ import annotations

import streamlit as st

from backend.jobs.schemas import JobOut
from ui.connection import client
from ui.text import amount, plain

_MOST_SHOWN = 50


def draw(job: JobOut) -> None:
    """Every kind of finding in a line, and every picture whose bytes are lost."""
    found = client().job_items(job.id, limit=_MOST_SHOWN)
    if not found.items:
        st.caption("Everything agrees." if job.state == "done" else "Nothing is known yet.")
    for item in found.items:
        told = st.warning if item.state == "failed" else st.caption
        told(plain(item.reason or item.name))
    if found.total > len(found.items):
        st.caption(f"And {amount(found.total - len(found.items), 'more line')}.")
