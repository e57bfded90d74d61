"""The one connection to Akin's API, and what the UI says when it fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import streamlit as st

from backend.client import AkinClient
from backend.errors import AkinError, Unavailable
from backend.registry.schemas import ModelInfo
from ui.text import plain

TOKEN = "akin_token"  # noqa: S105 - its name
"""Under which name a session keeps the token of its login."""
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@st.cache_resource(show_spinner=False, max_entries=500)
def _connect(url: str, token: str | None, address: str | None) -> AkinClient:
    return AkinClient(url, token=token, address=address)


def client() -> AkinClient:
    """The client of the API at AKIN_URL: of whoever is logged in, else shared by all visitors from
    one address."""
    url = os.environ.get("AKIN_URL", "http://127.0.0.1:8000")
    return _connect(url, st.session_state.get(TOKEN), visitor_address())


def visitor_address() -> str | None:
    """Where the visitor is, so that what they do is counted as theirs and not as this server's;
    none on this machine, and where no browser is.

    It is the other end of the connection. Only of a proxy named in FORWARDED_ALLOW_IPS (this
    machine, unless set) does Streamlit's server believe a header that says otherwise.
    """
    address: object = st.context.ip_address
    return address if isinstance(address, str) else None


def picture_url(path: str) -> str:
    """Where the visitor's browser finds a picture: AKIN_PUBLIC_URL (`/` where the page and the API
    are one origin), else beside this page."""
    public = os.environ.get("AKIN_PUBLIC_URL") or public_origin(client().url, st.context.url)
    return public.rstrip("/") + path


def download_url(path: str) -> str:
    """The same for a download, which a browser opens without a token: signed for who is in."""
    return picture_url(path if st.session_state.get(TOKEN) is None else client().link(path))


def public_origin(api: str, page: str | None) -> str:
    """The API's URL for a browser that shows the page at `page`.

    A browser on another machine cannot reach a loopback address of this one: it asks the host
    it has the page from, at the API's port. Any other URL stays as it is.
    """
    url = urlsplit(api)
    host = urlsplit(page or "").hostname
    if url.hostname not in _LOOPBACK or host is None or host in _LOOPBACK:
        return api
    name = f"[{host}]" if ":" in host else host
    return url._replace(netloc=f"{name}:{url.port}" if url.port else name).geturl()


@st.cache_data(ttl=60, show_spinner=False)
def _model(url: str) -> ModelInfo:
    return client().model()


def model() -> ModelInfo:
    """What answers today, asked again each minute."""
    return _model(client().url)


def forget_model() -> None:
    """Ask anew what answers: it was just changed."""
    _model.clear()


@contextmanager
def told() -> Iterator[None]:
    """Turns a failure of the API into a sentence on the page instead of a traceback."""
    try:
        yield
    except Unavailable:
        _waiting()
    except AkinError as error:
        st.error(plain(error.sentence), icon=":material/error:")


def attempt(action: Callable[..., object], *arguments: object) -> None:
    """Do something at a click; a failure is a passing notice, and the page stays as it is."""
    try:
        action(*arguments)
    except AkinError as error:
        st.toast(plain(error.sentence), icon=":material/error:")


def _waiting() -> None:
    """A calm page that goes away by itself once the server answers."""
    with st.container(key="waiting", horizontal_alignment="center"):
        st.html(
            "<h2>Akin is not answering just now</h2>"
            "<p>It may still be starting. This page tries again by itself.</p>"
        )
        st.caption(f"Asked at {plain(client().url)} · start it with `akin up`")
    _try_again()


@st.fragment(run_every=2)
def _try_again() -> None:
    if client().ready():
        st.rerun()
