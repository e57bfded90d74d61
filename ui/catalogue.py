"""The manager's page: what is in the catalogue, and how to put more into it."""

from __future__ import annotations

from html import escape

import streamlit as st

from backend.catalogue.schemas import CatalogueSummary
from ui import browsing, theme, upload
from ui.connection import client, model, told
from ui.text import amount

_VIEWS = ("Products", "Add products")


def page() -> None:
    """Draw the page."""
    with told():
        theme.demo_note(model())
        st.html(_head(client().summary()))
        view = st.segmented_control(
            "View",
            _VIEWS,
            default=_VIEWS[0],
            required=True,
            key="catalogue_view",
            label_visibility="collapsed",
            persist_state="session",
        )
        if view == _VIEWS[0]:
            browsing.draw()
        else:
            upload.draw()


def _head(summary: CatalogueSummary) -> str:
    facts = [amount(summary.products, "product"), amount(summary.images, "picture")]
    waiting = summary.images - summary.embedded - summary.unreadable
    if waiting > 0:
        facts.append(f"{waiting:,} not searchable yet")
    if summary.unreadable:
        facts.append(f"{summary.unreadable:,} unreadable")
    return (
        f"<div class='akin-head'><h2>Catalogue</h2><span>{escape(' · '.join(facts))}</span></div>"
    )
