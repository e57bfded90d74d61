"""What answered when: every promotion and rollback, newest first."""

from __future__ import annotations

from html import escape

import streamlit as st

from backend.registry.schemas import DeploymentOut
from ui.connection import client
from ui.text import ago, amount

_AT_ONCE = 10
_PAGE = 200
_COLUMNS = ("when", "version", "gallery", "who", "why", "gate")


def draw() -> None:
    """The table."""
    st.markdown("#### History")
    count: int = st.session_state.setdefault("deployments_shown", _AT_ONCE)
    found: list[DeploymentOut] = []
    cursor: str | None = None
    while True:
        page = client().deployments(cursor=cursor, limit=min(count - len(found), _PAGE))
        found += page.items
        cursor = page.next_cursor
        if cursor is None or len(found) >= count:
            break
    head = "".join(f"<th>{column}</th>" for column in _COLUMNS)
    rows = "".join(_row(one) for one in found)
    st.html(
        f"<div class='akin-wide'><table class='akin-log akin-deployed'><thead><tr>{head}</tr>"
        f"</thead><tbody>{rows}</tbody></table></div>"
    )
    if page.total > count:
        label = f"Show more of {amount(page.total, 'deployment')}"
        st.button(label, key="more_deployments", on_click=_more)


def gate(one: DeploymentOut) -> str:
    """What the metric gate said, in a word or two."""
    if "restores" in one.gate:
        return "not asked: a rollback"
    if "passed" not in one.gate:
        return "not asked"
    reason = str(one.gate.get("reason", ""))
    return f"{'overridden' if one.gate.get('overridden') else 'met'}: {reason}"


def _row(one: DeploymentOut) -> str:
    cells = (one.version, one.gallery or "dropped", one.actor, one.reason, gate(one))
    when = f"<td title='{one.created_at:%Y-%m-%d %H:%M:%S} UTC'>{escape(ago(one.created_at))}</td>"
    return f"<tr>{when}{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _more() -> None:
    st.session_state["deployments_shown"] += _AT_ONCE
