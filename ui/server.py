"""The UI as `akin up` serves it: Streamlit, with what its answers lack told to browsers.

Where nginx stands before `streamlit run ui/app.py`, nginx tells it.
"""

from __future__ import annotations

import logging
from pathlib import Path

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'self'",
}


class Unframed:
    """No page of another site may show these in a frame and lure clicks into it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, with_headers)


# It says at its start what `akin up` says better; what is amiss it still tells.
logging.getLogger("uvicorn.error").setLevel(logging.WARNING)

app = st.App(Path(__file__).with_name("app.py"), middleware=[Middleware(Unframed)])
