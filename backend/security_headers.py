"""What every answer tells a browser: what it may do with it, whatever the answer holds."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.answering import at_start

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with that a form of this very site is sent with `Origin: null`.
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Given to an answer that does not say otherwise itself, as pictures do about their caching."""

DOCS = frozenset({"/docs", "/docs/oauth2-redirect", "/redoc"})
# Swagger's and ReDoc's code comes from a content network, and the page starts it by a line in it.
DOCS_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "connect-src 'self'; worker-src blob:; font-src https://fonts.gstatic.com; "
    "img-src 'self' data: https://fastapi.tiangolo.com https://cdn.redoc.ly; "
    "script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    "style-src 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com"
)


class SecurityHeaders:
    """Adds them to what the application answers, refusals of other middleware included."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        def add(answer: Message) -> None:
            headers = MutableHeaders(scope=answer)
            if scope["path"] in DOCS:
                headers.setdefault("Content-Security-Policy", DOCS_POLICY)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)

        await self.app(scope, receive, at_start(send, add))
