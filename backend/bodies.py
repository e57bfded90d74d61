"""How large the body of a request may be, by what its route takes.

FastAPI reads and parses a body before it looks who sent it, and 64 MB of `[[],[],...` take it
seconds and gigabytes. So most routes take very little, and what takes more has `KnownFirst`.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.problems import problem

FEW = 64 * 2**10
"""What most routes take: a login, a user, a change of something."""
LISTS = 4 * 2**20
"""What takes a thousand names, ids or filters, or an attribute's long text."""

STREAMED = ("/v1/imports/", "/v1/models/import")
"""What is PUT below here is streamed to disk, under the route's own limit."""
_LISTED = re.compile(
    r"/v1/(imports(/preview/pictures|/[^/]+/files)?|products(/[^/]+)?|search|"
    r"models/compare/search|feedback|triplets/review)"
)
_FILES = re.compile(
    r"/v1/(imports/preview|products/[^/]+/images|pictures/thumbnail|search/upload|"
    r"models/compare/search/upload|feedback/upload|triplets/import)"
)


def limit_of(path: str, most: int) -> int:
    """How many bytes a request to this path may bring; `most` where it brings a file."""
    if _FILES.fullmatch(path):
        return most
    return min(LISTS if _LISTED.fullmatch(path) else FEW, most)


def is_streamed(scope: Scope) -> bool:
    """Whether its route reads the body itself, piece by piece, once it knows who sends it."""
    return bool(scope["method"] == "PUT" and scope["path"].startswith(STREAMED))


def announced(scope: Scope, otherwise: int) -> int:
    """The length of the body by its headers; `otherwise` where there is one and they do not say."""
    headers = Headers(scope=scope)
    length = headers.get("content-length", "" if "transfer-encoding" in headers else "0")
    # So many digits at most, as Python refuses to read very long numbers.
    return int(length) if length.isdecimal() and len(length) < 20 else otherwise


class BodyLimit:
    """Refuses a request body over its route's limit, by its announced length or as it arrives."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        """limit: the most that any route takes, in bytes."""
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_streamed(scope):
            await self.app(scope, receive, send)
            return
        limit = limit_of(scope["path"], self.limit)
        if announced(scope, 0) > limit:
            await problem(413, _too_large(limit), "too-large")(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                # FastAPI turns any other exception of a body into "there was an error parsing it".
                raise HTTPException(413, _too_large(limit))
            return message

        await self.app(scope, counted, send)


def _too_large(limit: int) -> str:
    size = f"{limit / 2**20:.3g} MB" if limit >= 2**20 else f"{limit / 2**10:.3g} KB"
    return (
        f"The request is larger than {size}, the most that is taken here: send large catalogues "
        "as an import."
    )
