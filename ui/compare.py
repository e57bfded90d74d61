"""Two model versions side by side: on one query, and over all held-out triplets."""

from __future__ import annotations

from html import escape

import streamlit as st

from backend.registry.schemas import VersionOut
from backend.search.compare_schemas import ComparedAnswer, ComparedSearch, CompareSearchRequest
from backend.search.schemas import SearchHit
from ui import comparison, composing, pictures, shop_window
from ui.connection import client, told
from ui.history import History, Query

_SHOWN = 12
_FINISHED = ("ready", "archived")


def page() -> None:
    """Draw the page."""
    st.html(
        "<div class='akin-head'><h2>Compare</h2>"
        "<span>Two model versions, on one query and over all held-out triplets.</span></div>"
    )
    with told():
        versions = [one for one in client().models(limit=200).items if one.state in _FINISHED]
        if len(versions) < 2:
            st.html(
                '<div class="akin-empty"><h2>There is one version only</h2>'
                "<p>Train or import another, and it can be compared with today's here.</p></div>"
            )
            return
        a, b = _pickers(versions)
        if a.id == b.id:
            st.info("Choose two different versions.")
            return
        _one_query(a, b)
        comparison.draw(a, b)


def _pickers(versions: list[VersionOut]) -> tuple[VersionOut, VersionOut]:
    """A is the active version unless another is chosen, B the newest of the others."""
    by_id = {one.id: one for one in versions}
    now = next((one for one in versions if one.active), versions[-1])
    newest = next(one for one in versions if one.id != now.id)
    labels = {one.id: one.name + (" (active)" if one.active else "") for one in versions}
    chosen = []
    for column, side, first in zip(st.columns(2), "AB", (now, newest), strict=True):
        key = f"compare_{side.lower()}"
        if st.session_state.get(key) not in by_id:
            st.session_state[key] = first.id
        picked = column.selectbox(
            f"Version {side}", list(by_id), format_func=labels.__getitem__, key=key
        )
        chosen.append(by_id[picked])
    return chosen[0], chosen[1]


def _one_query(a: VersionOut, b: VersionOut) -> None:
    """The query is the search page's, so that what surprised there is compared here."""
    history: History = st.session_state.setdefault("history", History())
    composing.draw(history, "compare")
    if history.current.empty:
        with st.expander("Or begin with a product of the catalogue"):
            shop_window.draw(history, [])
        return
    with told():  # what cannot be asked leaves the part below as it is
        found = _found(history.current, a.id, b.id)
        if history.current.composer is None:
            st.caption("Each version combines picture and words in its own way.")
        sides = zip(st.columns(2, gap="large"), (a, b), found.answers, strict=True)
        for column, version, answer in sides:
            with column:
                st.html(_answer(version, answer, against=version is b))


def _found(query: Query, a: str, b: str) -> ComparedSearch:
    asked = (query, a, b)
    if st.session_state.get("compared_for") != asked:
        request = CompareSearchRequest(query=query.request([], _SHOWN), versions=[a, b])
        upload = query.reference.upload if query.reference else None
        name = query.reference.title if query.reference else ""
        with st.spinner("Asking both"):
            found = client().compare_search(request, image=upload, name=name or "picture")
        st.session_state["compared"], st.session_state["compared_for"] = found, asked
    kept: ComparedSearch = st.session_state["compared"]
    return kept


def _answer(version: VersionOut, found: ComparedAnswer, *, against: bool) -> str:
    """One column. against: whether its ranks are told against the other's, or as they are there."""
    cards = "".join(
        pictures.card(
            hit.product,
            pictures.image_of(hit.product, hit.image_id),
            [_change(hit, found.other_ranks.get(hit.product.id), against=against)],
        )
        for hit in found.answer.results
    )
    took = f"{found.answer.timings_ms.get('total', 0):.0f} ms"
    return (
        f"<div class='akin-side-head'><b>{escape(version.name)}</b><span>{took}</span></div>"
        f'<div class="akin-strip akin-compared">{cards}</div>'
    )


def _change(hit: SearchHit, other: int | None, *, against: bool) -> str:
    """The rank here, and how it changed against the other version, or what it is there."""
    if not against:
        there = "not found by B" if other is None else f"{other} in B"
        return f'<div class="akin-rank"><b>{hit.rank}</b><span>{there}</span></div>'
    if other is None:
        word, kind = "new", "up"
    elif other == hit.rank:
        word, kind = "as in A", "same"
    elif other > hit.rank:
        word, kind = f"▲{other - hit.rank}", "up"
    else:
        word, kind = f"▼{hit.rank - other}", "down"
    return f'<div class="akin-rank"><b>{hit.rank}</b><span class="akin-{kind}">{word}</span></div>'
