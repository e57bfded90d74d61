"""Two versions over all held-out triplets: the job, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from backend.catalogue.schemas import ProductOut
from backend.client import ApiError
from backend.jobs.schemas import JobOut
from backend.registry.schemas import VersionOut
from backend.training.measuring_schemas import CompareRequest, Comparison, RankedTriplet
from ui import pictures
from ui.connection import attempt, client, told
from ui.jobs import progress
from ui.text import ago, plain

_REFRESH_SECONDS = 1.5
_FIRST = 6


def draw(a: VersionOut, b: VersionOut) -> None:
    """The newest comparison of the two, and a way to begin one."""
    st.html("<div class='akin-head'><h2>Over all held-out triplets</h2></div>")
    job = _newest(a.id, b.id)
    moving = job is not None and not job.finished
    st.button(
        "Compare anew" if job is not None and job.finished else "Compare",
        key="compare_all",
        type="primary" if job is None else "secondary",
        disabled=moving,
        on_click=attempt,
        args=(client().compare, CompareRequest(a=a.id, b=b.id)),
    )
    if job is None:
        st.caption("Both versions answer every held-out triplet; a job of minutes.")
    elif moving:
        st.fragment(_follow, run_every=_REFRESH_SECONDS)(job.id)
    elif job.state == "done":
        _result(job, a, b)
    else:
        st.error(plain(job.error or f"The comparison was {job.state}."), icon=":material/error:")


def _newest(a: str, b: str) -> JobOut | None:
    for job in client().jobs(kind="compare", limit=100).items:
        if (job.parameters.get("a"), job.parameters.get("b")) == (a, b):
            return job
    return None


def _follow(job_id: str) -> None:
    with told():
        job = client().job(job_id)
        if job.finished:
            st.rerun()
        progress(job)


def _result(job: JobOut, a: VersionOut, b: VersionOut) -> None:
    found = Comparison.model_validate(job.result).model_copy(update={"a": a.name, "b": b.name})
    st.markdown(f"**{plain(found.sentence)}**")
    with st.container(horizontal=True, key="comparison_counts"):
        counts = (("Wins of B", found.wins), ("Losses of B", found.losses), ("Ties", found.ties))
        for label, count in counts:
            st.metric(label, f"{count:,}", width=140)
    st.html(_figures(found))
    st.caption(
        f"Split {plain(found.split)}, compared {ago(job.finished_at or job.created_at)}. In "
        "brackets the 95 % intervals over the triplets."
    )
    _triplets("The largest gains of B", "gains", found.gains)
    _triplets("The largest losses of B", "drops", found.drops)


def _figures(found: Comparison) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in ("version", *found.figures_a))
    rows = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(
            f"<td>{value:.1f} <span>({low:.1f} to {high:.1f})</span></td>"
            for value, low, high in figures.values()
        )
        + "</tr>"
        for name, figures in ((found.a, found.figures_a), (found.b, found.figures_b))
    )
    return f"<table class='akin-versus'><tr>{heads}</tr>{rows}</table>"


def _triplets(title: str, key: str, triplets: Sequence[RankedTriplet]) -> None:
    if not triplets:
        return
    st.html(f"<div class='akin-side-head'><b>{title}</b></div>")
    st.html(_pairs(triplets[:_FIRST]))
    if len(triplets) > _FIRST:
        more = st.expander(
            f"{len(triplets) - _FIRST} more", key=f"more_pairs_{key}", on_change="rerun"
        )
        if more.open:
            with more:
                st.html(_pairs(triplets[_FIRST:]))


def _pairs(triplets: Sequence[RankedTriplet]) -> str:
    return f'<div class="akin-pairs">{"".join(map(_pair, triplets))}</div>'


def _pair(one: RankedTriplet) -> str:
    return (
        f'<div><div class="akin-pair">{_side(one.reference)}<div class="akin-arrow"></div>'
        f'{_side(one.target)}</div><div class="akin-said">{escape(one.words)}</div>'
        f'<div class="akin-line">rank {one.rank_a:g} in A, {one.rank_b:g} in B</div></div>'
    )


def _side(sku: str) -> str:
    product = _product(client().url, sku)
    image = None if product is None else pictures.image_of(product)
    title = sku if product is None else product.title
    source = None if image is None else pictures.thumbnail(image)
    shown = pictures.picture(source, title, "deleted")
    return f'<div>{shown}<div class="akin-line" title="{escape(title)}">{escape(title)}</div></div>'


@st.cache_data(ttl=60, show_spinner=False)
def _product(url: str, sku: str) -> ProductOut | None:
    """The product; None once it is deleted."""
    try:
        return client().product_by_sku(sku)
    except ApiError as error:
        if error.status == 404:
            return None
        raise
