"""The answer to a composed query: a grid of products, and why each is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

import streamlit as st

from backend.client import ApiError
from backend.search.schemas import SearchHit, SearchRequest, SearchResponse, Share
from ui import composing, feedback, pictures, unseen_words
from ui.connection import client, model
from ui.history import History, Query, reference_to
from ui.text import amount

_AT_ONCE = 24


@dataclass
class _Found:
    """The pages of one answer shown so far."""

    query: Query
    filters: list[str]
    hits: list[SearchHit] = field(default_factory=list)
    answer: SearchResponse | None = None

    def more(self) -> None:
        """Fetch the next page; a search the server has forgotten is asked again."""
        request = self.query.request(self.filters, _AT_ONCE)
        search_id = self.answer.search_id if self.answer else None
        request = request.model_copy(update={"offset": len(self.hits), "search_id": search_id})
        try:
            self.answer = _ask(self.query, request)
        except ApiError as error:
            if search_id is None or error.code != "not-found":
                raise
            self.answer = _ask(self.query, request.model_copy(update={"search_id": None}))
        self.hits += self.answer.results


def _ask(query: Query, request: SearchRequest) -> SearchResponse:
    reference = query.reference
    if reference is None or reference.upload is None:
        return client().search(request)
    return client().search(request, image=reference.upload, name=reference.title)


def draw(history: History, filters: list[str]) -> None:
    """The grid of results for the current step."""
    found = _found(history.current, filters)
    if found.answer is not None and found.answer.unseen_words:
        words = found.answer.unseen_words
        st.html(unseen_words.note(found.query, words, demo=model().demo))
    if found.answer is None or not found.hits:
        st.html(
            '<div class="akin-empty"><h2>Nothing matches</h2>'
            "<p>Try fewer filters, or other words.</p></div>"
        )
        return
    _head(found, found.answer)
    best = max(hit.score for hit in found.hits)
    with pictures.grid("results"):
        for hit in found.hits:
            _result(history, found.answer.search_id, hit, best)
    if len(found.hits) < found.answer.total and st.button("Show more", key="more_results"):
        found.more()
        st.rerun()


def _found(query: Query, filters: list[str]) -> _Found:
    found: _Found | None = st.session_state.get("found")
    if found is None or (found.query, found.filters) != (query, filters):
        found = _Found(query, filters)
        found.more()
        st.session_state["found"] = found
    return found


def _head(found: _Found, answer: SearchResponse) -> None:
    shown = f"{len(found.hits):,} of {amount(answer.total, 'product')}"
    took = f"{answer.timings_ms.get('total', 0):.0f} ms"
    st.html(
        f"<div class='akin-head'><h2>{escape(_headline(found.query))}</h2>"
        f"<span>{shown} in {took}</span></div>"
    )
    if answer.text_cut:
        st.info(
            f"These are more words than the model reads ({model().context_length} word pieces): "
            "the rest was left out."
        )


def _headline(query: Query) -> str:
    if query.reference and query.text:
        return "Like this, but different"
    return "Like your picture" if query.reference else "Found by your words"


def _result(history: History, search_id: str, hit: SearchHit, best: float) -> None:
    image = pictures.image_of(hit.product, hit.image_id)
    relative = hit.score / best if best > 0 else 0.0
    closeness = pictures.bar(relative, f"Similarity {hit.score:.3f}")
    with st.container(key=f"card_hit_{hit.product.id}"):
        st.html(pictures.card(hit.product, image, [closeness]))
        if image is not None:
            reference = reference_to(hit.product, image.id, pictures.thumbnail(image))
            st.button(
                "Like this, but…",
                key=f"pick_hit_{hit.product.id}",
                on_click=composing.choose,
                args=(history, reference),
            )
        with st.popover("Why this?", type="tertiary", key=f"why_{hit.product.id}"):
            st.html(why(hit))
        feedback.buttons(history.current, search_id, hit)


def why(hit: SearchHit) -> str:
    """Why a result is there, as HTML: shares of picture and words, rank, score."""
    facts = f"Number {hit.rank} · similarity {hit.score:.3f}"
    if hit.matched_images > 1:
        facts += f" · found {hit.matched_images} similar pictures of it"
    return (
        f'<div class="akin-why">{_shares(hit.share)}<p>{facts}</p>'
        "<p>This describes similarity as the model measures it, not a cause.</p></div>"
    )


def _shares(share: Share | None) -> str:
    if share is None:
        return "<h4>It is close to what you asked for.</h4>"
    picture, words = max(share.image, 0.0), max(share.text, 0.0)
    whole = picture + words
    if whole == 0:
        return "<h4>Neither the picture nor the words draw it closer than an average product.</h4>"
    part = round(100 * picture / whole)
    return (
        f"<h4>{_sentence(part)}</h4>"
        f'<div class="akin-split"><i style="width:{part}%"></i></div>'
        f'<div class="akin-ends"><span>picture {part} %</span>'
        f"<span>words {100 - part} %</span></div>"
    )


def _sentence(part: int) -> str:
    if part >= 65:
        return "It is here mostly because it looks like your picture."
    if part <= 35:
        return "It is here mostly because it fits your words."
    return "Your picture and your words count about the same here."
