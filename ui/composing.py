"""The composition bar: reference, words, strength, without, and the steps taken so far."""

from __future__ import annotations

from dataclasses import replace
from html import escape

import streamlit as st

from backend.registry.schemas import ComposerInfo
from ui import pictures
from ui.connection import model
from ui.history import History, Query, Reference
from ui.thumbnails import data_uri

_EXAMPLES = ("but in red", "with long sleeves", "with dots", "with no pattern")
_OPENINGS = ("a red dress", "striped T-shirt", "a dark hooded jacket")


def draw(history: History, on: str) -> None:
    """The bar, and the history above it once there is one. on: the page that draws it."""
    _remember(history, on)
    if len(history.steps) > 1:
        _steps(history)
    with st.container(key="composer", border=True):
        with st.container(horizontal=True, key="composer_row", gap="medium"):
            with st.container(width=112, key="reference"):
                _reference(history)
            with st.container(key="words", gap="small"):
                _words(history)
        if not history.current.empty:
            _fine_tuning(history)


def show(history: History, query: Query) -> None:
    """Take a step to `query` and let the widgets say the same."""
    history.push(query)
    _restore(history)


def walk(history: History, position: int) -> None:
    """Go to a step that was taken before."""
    history.go(position)
    _restore(history)


def choose(history: History, reference: Reference | None) -> None:
    """Make a picture the reference; the words start afresh, for they belonged to the last one."""
    text = history.current.text if reference is None else ""
    show(history, Query(reference, text, composer=history.current.composer))


def _restore(history: History) -> None:
    query = history.current
    st.session_state["text"] = query.text
    st.session_state["strength"] = query.strength
    st.session_state["without"] = list(query.without)
    st.session_state["composer_name"] = _composer_of(query).name


def _composer_of(query: Query) -> ComposerInfo:
    """The query's composer, or the active version's where there is none, or none such any more."""
    offered = {composer.name: composer for composer in model().composers}
    return offered.get(query.composer or "") or offered[model().composer]


def _remember(history: History, on: str) -> None:
    """Widgets forget when their page was left; the history does not. A composer that is no longer
    offered is forgotten by both."""
    state = st.session_state
    chosen = history.current.composer
    if chosen is not None and chosen != _composer_of(history.current).name:
        history.adjust(composer=None)
    if "text" not in state or state.get("composed_on") != on:
        _restore(history)
    state["composed_on"] = on


def _reference(history: History) -> None:
    reference = history.current.reference
    if reference is None:
        number = st.session_state.setdefault("uploads", 0)
        st.file_uploader(
            "Your picture",
            pictures.FORMATS,
            key=f"picture_{number}",
            on_change=_take_upload,
            args=(history, f"picture_{number}"),
            label_visibility="collapsed",
        )
        return
    st.html(pictures.picture(reference.thumbnail or None, reference.title, "no preview"))
    st.button(
        "Remove the picture",
        icon=":material/close:",
        key="clear_reference",
        on_click=choose,
        args=(history, None),
    )


def _take_upload(history: History, key: str) -> None:
    file = st.session_state[key]
    if file is None:
        return
    data = file.getvalue()
    st.session_state["uploads"] += 1
    now = history.current
    text = "" if now.reference else now.text
    reference = Reference(file.name, data_uri(data), upload=data)
    show(history, Query(reference, text, composer=now.composer))


def _words(history: History) -> None:
    has_picture = history.current.reference is not None
    asks = "What should be different?" if has_picture else "What are you looking for?"
    with (
        st.form("ask", border=False),
        st.container(horizontal=True, vertical_alignment="bottom", key="ask_row"),
    ):
        st.text_input(
            asks,
            key="text",
            max_chars=2000,
            placeholder="but in red and with long sleeves" if has_picture else "a red dress",
        )
        st.form_submit_button(
            "Search", type="primary", icon=":material/search:", on_click=_ask, args=(history,)
        )
    with st.container(horizontal=True, gap="xsmall", key="examples"):
        st.html(f"<span>{'Try' if has_picture else 'Or start from a picture. Try'}</span>")
        for example in _EXAMPLES if has_picture else _OPENINGS:
            st.button(example, key=f"example_{example}", on_click=_try, args=(history, example))


def _ask(history: History) -> None:
    show(history, replace(history.current, text=st.session_state["text"].strip()))


def _try(history: History, example: str) -> None:
    show(history, replace(history.current, text=example))


def _fine_tuning(history: History) -> None:
    query = history.current
    one_part = query.reference is None or not query.text
    with st.container(horizontal=True, key="tuning", gap="large", vertical_alignment="top"):
        with st.container(key="tuning_strength", gap=None):
            _strength(history, disabled=one_part)
        with st.container(key="tuning_without", gap=None):
            _without(history)
        with st.container(key="tuning_composer", gap=None):
            _composer(history, disabled=one_part)


def _strength(history: History, *, disabled: bool) -> None:
    st.html(
        '<div class="akin-ends"><span>more like the picture</span>'
        "<span>more like the words</span></div>"
    )
    st.slider(
        "Strength: from more like the picture to more like the words",
        -1.0,
        1.0,
        step=0.1,
        key="strength",
        on_change=_tune,
        args=(history,),
        disabled=disabled,
        label_visibility="collapsed",
    )


def _without(history: History) -> None:
    st.html('<div class="akin-ends"><span>without</span></div>')
    st.multiselect(
        "Without",
        list(history.current.without),
        key="without",
        accept_new_options=True,
        max_selections=5,
        placeholder="type a word, e.g. stripes, and press Enter",
        on_change=_tune,
        args=(history,),
        label_visibility="collapsed",
    )


def _composer(history: History, *, disabled: bool) -> None:
    labels = {composer.name: composer.label for composer in model().composers}
    st.html('<div class="akin-ends"><span>how picture and words combine</span></div>')
    st.selectbox(
        "Composer: how picture and words become one query",
        list(labels),
        format_func=labels.__getitem__,
        key="composer_name",
        on_change=_tune,
        args=(history,),
        disabled=disabled,
        label_visibility="collapsed",
    )
    said = _composer_of(history.current).description
    st.html(f'<p class="akin-sentence">{escape(said)}</p>')


def _tune(history: History) -> None:
    words = (word.strip() for word in st.session_state["without"])
    chosen = st.session_state["composer_name"]
    history.adjust(
        strength=round(st.session_state["strength"], 2),
        without=tuple(word for word in words if word),
        composer=None if chosen == model().composer else chosen,
    )


def _steps(history: History) -> None:
    with st.container(horizontal=True, key="steps", gap="xsmall", vertical_alignment="center"):
        st.button(
            "Back",
            icon=":material/arrow_back:",
            type="tertiary",
            key="back",
            disabled=history.position == 0,
            on_click=walk,
            args=(history, history.position - 1),
        )
        for position, query in enumerate(history.steps):
            state = "now" if position == history.position else "then"
            with st.container(key=f"step_{state}_{position}", width="content"):
                st.html(_step(query))
                st.button(
                    f"Go to step {position + 1}",
                    key=f"go_{position}",
                    on_click=walk,
                    args=(history, position),
                )


def _step(query: Query) -> str:
    picture = ""
    if query.reference and query.reference.thumbnail:
        picture = f'<img src="{escape(query.reference.thumbnail)}" alt="">'
    words = query.text or ("like this" if query.reference else "start")
    return f'<div class="akin-step">{picture}<span>{escape(words)}</span></div>'
