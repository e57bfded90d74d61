"""Filters in the sidebar, with the count of products behind each choice."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import streamlit as st

from backend.catalogue.schemas import AttributeValue, Facet
from ui.connection import client
from ui.text import plain

_MOST_PILLS = 12
_OPEN_GROUPS = 3
_FIRST = ("category", "price", "split")


def sidebar(scope: str, hidden: Collection[str] = ()) -> list[str]:
    """Draw the filters of a page and return the chosen ones as expressions the API takes."""
    facets = [facet for facet in _in_order(client().facets()) if facet.key not in hidden]
    chosen = {facet.key: _expression(facet, _state(scope, facet)) for facet in facets}
    counts = _counts(facets, chosen)
    active = [expression for expression in chosen.values() if expression]
    with st.sidebar:
        _heading(scope, facets, active)
        for place, facet in enumerate(facet for facet in facets if _selects(facet)):
            with st.expander(plain(facet.label), expanded=place < _OPEN_GROUPS):
                _draw(scope, facet, counts[facet.key])
    return active


def expression(key: str, values: Sequence[AttributeValue]) -> str:
    """The filter that any of `values` meets; quoted, so that any text may be a value."""
    quoted = (str(value).replace('"', '""') for value in values)
    return f"{key}=" + ",".join(f'"{value}"' for value in quoted)


def range_expression(facet: Facet, ends: tuple[float, float]) -> str | None:
    """The filter for a range, or None where it leaves nothing out."""
    low, high, _ = scale(facet)
    if ends[0] <= low and ends[1] >= high:
        return None
    return f"{facet.key}={ends[0]!r}..{ends[1]!r}"


def scale(facet: Facet) -> tuple[float, float, float]:
    """The lowest and highest end of a range slider and its step, in round numbers."""
    low, high = facet.minimum or 0.0, facet.maximum or 0.0
    step = 10.0 ** (math.floor(math.log10(high - low)) - 2) if high > low else 1.0
    step = max(step, 1.0) if facet.kind == "integer" or high - low >= 10 else step
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def _in_order(facets: list[Facet]) -> list[Facet]:
    return sorted(facets, key=lambda f: _FIRST.index(f.key) if f.key in _FIRST else len(_FIRST))


def _is_range(facet: Facet) -> bool:
    return facet.minimum is not None and facet.maximum is not None


def _selects(facet: Facet) -> bool:
    """Whether choosing in this filter could leave anything out."""
    if _is_range(facet):
        return facet.minimum != facet.maximum
    return len(facet.values) > 1


def _key(scope: str, facet: Facet) -> str:
    """A range's key holds its ends: when these move, so must a slider that left nothing out."""
    ends = "_{:g}_{:g}".format(*scale(facet)) if _is_range(facet) else ""
    return f"filter_{scope}_{facet.key}{ends}"


def _state(scope: str, facet: Facet) -> Any:
    return st.session_state.get(_key(scope, facet))


def _expression(facet: Facet, state: Any) -> str | None:
    if not state or not _selects(facet):
        return None
    return range_expression(facet, state) if _is_range(facet) else expression(facet.key, state)


def _counts(
    facets: list[Facet], chosen: Mapping[str, str | None]
) -> dict[str, dict[AttributeValue, int]]:
    """Counts of each filter's values under all the *other* filters: what choosing it would give."""
    active = [expression for expression in chosen.values() if expression]
    under_all = {f.key: f for f in client().facets(active)} if active else {}
    counts = {}
    for facet in facets:
        counted = under_all.get(facet.key, facet)
        if chosen[facet.key]:
            others = [text for key, text in chosen.items() if text and key != facet.key]
            counted = next((f for f in client().facets(others) if f.key == facet.key), facet)
        counts[facet.key] = {value.value: value.count for value in counted.values}
    return counts


def _heading(scope: str, facets: list[Facet], active: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"filters_{scope}"):
        st.html('<div class="akin-side">Filters</div>')
        st.button(
            "Clear all",
            type="tertiary",
            key=f"clear_{scope}",
            on_click=_clear,
            args=(scope, facets),
            disabled=not active,
        )


def _clear(scope: str, facets: list[Facet]) -> None:
    """Set every filter to leave nothing out; the browser would bring back one merely dropped."""
    for facet in facets:
        if _selects(facet):
            st.session_state[_key(scope, facet)] = scale(facet)[:2] if _is_range(facet) else []


def _draw(scope: str, facet: Facet, counts: Mapping[AttributeValue, int]) -> None:
    if _is_range(facet):
        _draw_range(scope, facet)
        return
    chosen = _state(scope, facet) or []
    shown = [value for value in facet.values if counts.get(value.value) or value.value in chosen]
    options = [value.value for value in shown] or [value.value for value in facet.values]

    def label(value: AttributeValue) -> str:
        return f"{_word(value)} {counts.get(value, 0):,}"

    key = _key(scope, facet)
    if len(facet.values) > _MOST_PILLS:
        st.multiselect(
            facet.label,
            options,
            format_func=label,
            key=key,
            label_visibility="collapsed",
            placeholder="Any",
            persist_state="session",
        )
        return
    st.pills(
        facet.label,
        options,
        format_func=lambda value: plain(label(value)),
        selection_mode="multi",
        key=key,
        label_visibility="collapsed",
        persist_state="session",
    )


def _word(value: AttributeValue) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _draw_range(scope: str, facet: Facet) -> None:
    low, high, step = scale(facet)
    key = _key(scope, facet)
    st.slider(
        facet.label,
        low,
        high,
        None if key in st.session_state else (low, high),
        step,
        format="%.0f" if step >= 1 else None,
        key=key,
        label_visibility="collapsed",
        persist_state="session",
    )
