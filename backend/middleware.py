"""What stands before every route: host and origin check, request id and metrics."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Collection, Sequence
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.answering import at_start
from backend.audit.service import REQUEST
from backend.metrics import REFUSED, REQUEST_SECONDS, REQUESTS
from backend.problems import REQUEST_ID, problem
from backend.route_templates import RouteTemplates
from backend.settings import LOOPBACK

READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
METHODS = READING | {"POST", "PUT", "PATCH", "DELETE"}
_REFUSALS = frozenset({429, 503})
_REQUEST_ID = re.compile(r"[\w.:+/=-]{1,100}", re.ASCII)

log = structlog.get_logger()


class HostCheck:
    """Refuses a Host header that is not this server's name, so that no foreign page's DNS name
    that points here (DNS rebinding) can speak to it. An address is no name: nobody can point it
    elsewhere."""

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self.app = app
        self.allowed = frozenset(allowed) | LOOPBACK

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "*" not in self.allowed:
            host = Headers(scope=scope).get("host", "")
            name = _without_port(host).lower()
            if name not in self.allowed and not _is_address(name):
                answer = problem(
                    400,
                    f"This server does not answer to the name {name[:100]!r}: "
                    "add it to AKIN_ALLOWED_HOSTS if it should.",
                    "unknown-host",
                )
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)


class OriginCheck:
    """Refuses what a page of another site makes a browser send: forms and plain text need no
    permission (CORS preflight) to reach a server on this machine, so they could change things."""

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self.app = app
        self.allowed = frozenset(allowed) | LOOPBACK

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        changing = scope["type"] == "http" and scope["method"] not in READING
        if changing and self._is_foreign(Headers(scope=scope)):
            answer = problem(
                403,
                "This request comes from a page of another site, which may change nothing here: "
                "send it from a page of this server, or without a browser.",
                "foreign-page",
            )
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _is_foreign(self, headers: Headers) -> bool:
        if headers.get("sec-fetch-site") == "cross-site":
            return True
        origin = headers.get("origin")
        if origin is None or "*" in self.allowed:
            return False
        own = _without_port(headers.get("host", ""))
        return _without_port(origin.rpartition("://")[2]) not in self.allowed | {own}


class RequestId:
    """Gives what a request does its id, the one that it came with or a new one: in the log, the
    audit log, the jobs that it makes, and the answer's X-Request-ID."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex

        def mark(answer: Message) -> None:
            MutableHeaders(scope=answer)[REQUEST_ID] = request_id

        # Where even the 500 is made, outside of here, the scope still has it.
        scope.setdefault("state", {})[REQUEST] = request_id
        with structlog.contextvars.bound_contextvars(**{REQUEST: request_id}):
            await self.app(scope, receive, at_start(send, mark))


class RequestMetrics:
    """Counts and times requests by route template, so that ids do not become labels; says in the
    log what failed, and what came by a method that may change something (a search does too)."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        """routes: `app.routes`; whoever adds some after the first request adds them unheard."""
        self.app = app
        self._templates = RouteTemplates(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        def note(answer: Message) -> None:
            nonlocal status
            status = answer["status"]

        try:
            await self.app(scope, receive, at_start(send, note))
        finally:
            route = self._templates.of(scope["method"], scope["path"])
            method = scope["method"] if scope["method"] in METHODS else "other"
            REQUESTS.labels(method, route, status).inc()
            seconds = time.perf_counter() - begun
            REQUEST_SECONDS.labels(method, route).observe(seconds)
            if status in _REFUSALS:
                REFUSED.labels(status).inc()
            if method not in READING or status >= 500:
                log.info(
                    "request", method=method, route=route, status=status, seconds=round(seconds, 4)
                )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _without_port(host: str) -> str:
    """`[::1]:8000` -> `::1`."""
    name = host if host.endswith("]") else host.rsplit(":", 1)[0]
    return name.strip("[]")
