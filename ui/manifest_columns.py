"""What the columns of a dropped list are for: the guess, and what the manager chooses instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, get_args

import streamlit as st

from backend.catalogue.preview_schemas import ColumnPreview, ManifestPreview
from backend.catalogue.schemas import ManifestField, ManifestOptions
from ui.text import plain

FIELDS: tuple[ManifestField, ...] = get_args(ManifestField)
_LABELS = {"sku": "SKU", "image": "Pictures"}
_TOLD_BY = {"name": "by its name", "content": "guessed from what is in it", "you": "chosen"}
_KINDS = {"keyword": "text", "integer": "whole number", "float": "number", "bool": "yes/no"}
_IN_A_ROW = 4
_NONE = "none"


@dataclass
class Choice:
    """What the manager chose for the lists dropped; nothing for what the guess may keep."""

    files: tuple[str, ...] = ()
    columns: dict[str, list[str]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    currency: str = ""
    encoding: str | None = None

    def options(self) -> ManifestOptions:
        """The choice as an import takes it."""
        return ManifestOptions.model_validate(
            {
                "columns": self.columns,
                "ignored_columns": self.ignored,
                "currency": self.currency or None,
                "encoding": self.encoding,
            }
        )


def choice_for(files: Sequence[str]) -> Choice:
    """The choice for these files' ids; a new one when others were dropped."""
    found = st.session_state.get("manifest_choice")
    if not isinstance(found, Choice) or found.files != tuple(files):
        found = Choice(tuple(files))
        st.session_state["manifest_choice"] = found
    return found


def draw(seen: ManifestPreview, choice: Choice) -> None:
    """A box for each field, and what becomes of the other columns."""
    columns = [column.name for column in seen.columns]
    with st.container(key="manifest_fields"):
        for start in range(0, len(FIELDS), _IN_A_ROW):
            places = st.columns(_IN_A_ROW)
            for place, name in zip(places, FIELDS[start : start + _IN_A_ROW], strict=False):
                with place:
                    _field(seen, choice, name, columns)
            if start + _IN_A_ROW > len(FIELDS):
                with places[-1]:
                    _currency(choice)
    _others(seen, choice)


def _field(seen: ManifestPreview, choice: Choice, name: ManifestField, columns: list[str]) -> None:
    uses = [column for column in seen.columns if column.use == name]
    key = f"column_{name}"
    label = _LABELS.get(name, name.capitalize())
    taken: dict[str, Any] = {"key": key, "on_change": _take, "args": (choice, name)}
    if name == "image":
        st.session_state[key] = [column.name for column in uses]
        st.multiselect(label, columns, placeholder=_NONE, **taken)
    else:
        st.session_state[key] = uses[0].name if uses else None
        st.selectbox(label, columns, None, placeholder=_NONE, **taken)
    if uses:
        examples = ", ".join(uses[0].examples)
        told = _TOLD_BY.get(uses[0].chosen_by or "", "")
        st.caption(f"{told} · {plain(examples)}" if examples else told)
    elif name in seen.missing:
        st.caption(":orange[needed: choose its column]")


def _take(choice: Choice, name: ManifestField) -> None:
    taken = st.session_state[f"column_{name}"]
    columns = taken if isinstance(taken, list) else [taken] if taken else []
    choice.columns = {
        other: [one for one in given if one not in columns]
        for other, given in choice.columns.items()
    } | {name: columns}
    choice.ignored = [one for one in choice.ignored if one not in columns]


def _currency(choice: Choice) -> None:
    key = "column_default_currency"
    st.session_state[key] = choice.currency
    st.text_input(
        "Currency of prices without one",
        key=key,
        max_chars=3,
        placeholder="EUR",
        on_change=_take_currency,
        args=(choice,),
    )


def _take_currency(choice: Choice) -> None:
    text = st.session_state["column_default_currency"].strip().upper()
    if text and not (len(text) == 3 and text.isascii() and text.isalpha()):
        st.toast("A currency has three letters, such as EUR.", icon=":material/error:")
        return
    choice.currency = text


def _others(seen: ManifestPreview, choice: Choice) -> None:
    attributes = [column for column in seen.columns if column.use == "attribute"]
    ignored = [column.name for column in seen.columns if column.use == "ignored"]
    if not attributes and not ignored:
        return
    if attributes:
        chips = "".join(map(_chip, attributes))
        st.html(f'<div class="akin-chips"><b>Attributes</b>{chips}</div>')
    key = "columns_ignored"
    st.session_state[key] = ignored
    st.multiselect(
        "Columns to leave out",
        [column.name for column in attributes] + ignored,
        key=key,
        placeholder="none",
        on_change=_ignore,
        args=(choice,),
    )


def _chip(column: ColumnPreview) -> str:
    kind = "cannot be read" if column.problem else _KINDS.get(column.kind or "", "")
    told = column.problem or ", ".join(column.examples)
    return (
        f'<span class="akin-chip{" akin-bad" if column.problem else ""}" title="{escape(told)}">'
        f"{escape(column.name)}<i>{escape(kind)}</i></span>"
    )


def _ignore(choice: Choice) -> None:
    choice.ignored = list(st.session_state["columns_ignored"])
