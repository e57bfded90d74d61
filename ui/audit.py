"""The audit log: who changed what, when, and how it was before."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from html import escape
from urllib.parse import urlencode

import streamlit as st

from backend.audit.schemas import AuditFilter, AuditLineOut
from ui import audit_words
from ui.connection import client, download_url, told
from ui.text import amount

PAGE = 50
_AREAS = {
    "Everything": None,
    "Products": "product",
    "Pictures": "image.",
    "Imports": "import.",
    "Jobs": "job.",
    "Comparisons": "reconcile.",
    "Models": "model.",
    "Triplets": "triplet",
    "Galleries": "gallery.",
    "Users": "user.",
    "Keys": "key.",
}


def page() -> None:
    """Draw the page."""
    with told():
        wanted = _filters()
        cursors = _cursors(wanted)
        found = client().audit(wanted, cursor=cursors[-1], limit=PAGE)
        if not found.items:
            st.html(
                '<div class="akin-empty"><h2>Nothing was changed</h2>'
                "<p>Every change of products, models and users is written down here.</p></div>"
            )
            return
        st.html(_table(found.items))
        first = (len(cursors) - 1) * PAGE
        with st.container(horizontal=True, vertical_alignment="center", key="audit_turn"):
            last = first + len(found.items)
            shown = f"{first + 1:,} to {last:,} of {amount(found.total, 'change')}"
            st.caption(shown, width="stretch")
            st.button("Newer", key="audit_newer", disabled=first == 0, on_click=_back)
            st.button(
                "Older",
                key="audit_older",
                disabled=found.next_cursor is None,
                on_click=cursors.append,
                args=(found.next_cursor,),
            )


def _filters() -> AuditFilter:
    st.html("<div class='akin-head'><h2>Audit log</h2><span>Times are UTC.</span></div>")
    with st.container(horizontal=True, vertical_alignment="bottom", key="audit_bar"):
        area = st.selectbox("What", list(_AREAS), key="audit_area", width=180)
        actor = st.text_input("Who", key="audit_actor", max_chars=100, width=180)
        since = st.date_input("From", None, key="audit_from", width=150)
        until = st.date_input("To", None, key="audit_to", width=150)
        wanted = AuditFilter(
            actor=actor.strip() or None,
            action=_AREAS[area],
            since=_begin(since),
            until=_begin(until + timedelta(days=1)) if until else None,
        )
        query = urlencode(wanted.query())
        # Straight from the API: it may be long.
        st.link_button(
            "Download (CSV)",
            download_url(f"/v1/audit.csv{'?' if query else ''}{query}"),
            key="audit_csv",
            icon=":material/download:",
        )
    return wanted


def _begin(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)


def _cursors(wanted: AuditFilter) -> list[str | None]:
    """The cursors of the pages up to the one shown; only the first page's for another filter."""
    if st.session_state.get("audit_wanted") != wanted:
        st.session_state["audit_wanted"], st.session_state["audit_cursors"] = wanted, [None]
    cursors: list[str | None] = st.session_state["audit_cursors"]
    return cursors


def _back() -> None:
    st.session_state["audit_cursors"].pop()


def _table(lines: list[AuditLineOut]) -> str:
    rows = "".join(map(_row, lines))
    heads = "".join(f"<th>{name}</th>" for name in ("When", "Who", "What", "Before → after"))
    return f"<table class='akin-log'><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _row(line: AuditLineOut) -> str:
    moment = f"<time>{line.at:%Y-%m-%d}<br>{line.at:%H:%M:%S}</time>"
    what = f"{escape(audit_words.done(line))} <b>{escape(audit_words.subject(line))}</b>"
    changes = "".join(map(_change, audit_words.changes(line)))
    cells = (moment, escape(line.actor), what, changes)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _change(change: tuple[str, str | None, str | None]) -> str:
    name, before, after = change
    old = "" if before is None else f"<del>{escape(before)}</del>"
    new = "" if after is None else f"<ins>{escape(after)}</ins>"
    arrow = " → " if old and new else ""
    return f"<div><span>{escape(name)}</span> {old}{arrow}{new}</div>"
