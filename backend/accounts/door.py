"""Who sends much is known first: before a large body is read, and only so many at once."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.accounts.actor import actor_of
from backend.bodies import FEW, announced, is_streamed, limit_of
from backend.errors import AkinError, Unavailable
from backend.middleware import READING
from backend.outages import OUTAGES
from backend.problems import refusal

AT_ONCE = 16
"""How many of the largest bodies are held at the same time, or as much of smaller ones."""


class KnownFirst:
    """For routes that take large bodies, which FastAPI would read before it asks who is there:
    strangers are turned away unread, and others too while as much as there is room for is held (in
    memory, and in files that may lie in memory as well)."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        """limit: the most bytes that any route takes."""
        self.app = app
        self._limit, self._room = limit, AT_ONCE * limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = 0
        if scope["type"] == "http" and scope["method"] not in READING and not is_streamed(scope):
            limit = limit_of(scope["path"], self._limit)
        if limit <= FEW:
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        try:
            request.state.actor = await actor_of(request)
            size = self._admitted(min(announced(scope, limit), limit))
        except (AkinError, *OUTAGES) as error:
            await refusal(request, error)(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            self._room += size

    def _admitted(self, size: int) -> int:
        if size > self._room:
            raise Unavailable(
                "This server holds as many large requests as it has room for: try again in a few "
                "seconds."
            )
        self._room -= size
        return size
