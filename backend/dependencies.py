"""What routes ask FastAPI for."""

from __future__ import annotations

from typing import cast

from fastapi import Request

from backend.runtime import Runtime
from backend.search.serving import Serving, served

# Async, though nothing is awaited: FastAPI sends any other dependency to a thread and back.


async def get_runtime(request: Request) -> Runtime:
    """The open parts of this process."""
    return cast(Runtime, request.app.state.runtime)


async def get_serving(request: Request) -> Serving:
    """What answers searches in this process; raises Unavailable before it is ready."""
    return served(getattr(request.app.state, "serving", None))
