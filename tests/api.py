"""The HTTP API in a test: an application of the routes it is about, a client, a real port."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpx
import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from starlette.types import ASGIApp

from backend import problems
from backend.client import AkinClient
from backend.errors import Conflict
from backend.runtime import Runtime


def api_of(runtime: Runtime, *routers: APIRouter, **state: Any) -> FastAPI:
    """An application of some routes; `state` is what they find in it beside the runtime."""
    app = FastAPI()
    app.state.runtime = runtime
    for name, value in state.items():
        setattr(app.state, name, value)
    for router in routers:
        app.include_router(router)
    problems.install(app)
    return app


def client_of(api: FastAPI | TestClient) -> AkinClient:
    """The client that the command line and the UI use, speaking to an application directly."""
    http = TestClient(api) if isinstance(api, FastAPI) else api
    return AkinClient("http://testserver", http=cast(httpx.Client, http))


@contextmanager
def served(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """Serve an application on loopback; the URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def add_failures(app: FastAPI) -> None:
    """Two routes that fail: /conflict for a reason that is told, /broken for one that is not."""

    @app.get("/conflict")
    def conflict() -> None:
        raise Conflict("It is taken: choose another.")

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("secret detail")
