"""Every operation is counted and logged by its whole template, whoever asks and whatever comes."""

from __future__ import annotations

import re

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY

from backend.accounts import passwords, service
from backend.app import create_app
from backend.route_templates import UNKNOWN, RouteTemplates
from backend.runtime import Runtime


@pytest.fixture
def app(runtime: Runtime) -> FastAPI:
    return create_app(runtime)


def operations(app: FastAPI) -> list[tuple[str, str]]:
    """Method and path of all that the API describes."""
    paths = app.openapi()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


def asked(path: str) -> str:
    """A path that somebody might ask for by this template."""
    return re.sub(r"{\w+}", "0b9f2f0e", path)


def test_every_operation_is_found_by_what_is_asked(app: FastAPI) -> None:
    templates = RouteTemplates(app.routes)
    found = [(method, templates.of(method, asked(path))) for method, path in operations(app)]
    assert found == operations(app)


def counted(method: str, route: str) -> float:
    labels = {"method": method, "route": route, "status": "401"}
    return REGISTRY.get_sample_value("akin_requests_total", labels) or 0


def test_a_stranger_is_counted_at_the_operation_that_turned_him_away(
    runtime: Runtime, app: FastAPI
) -> None:
    """By the route's own check, or by the one before it where large bodies are taken."""
    with runtime.database.write() as session:
        service.add(session, "ann", "admin", passwords.hashed("correct horse"), "local")
    client = TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
    turned_away, told = [], []
    for method, path in operations(app):
        before = counted(method, path)
        if client.request(method, asked(path)).status_code == 401:
            turned_away.append((method, path))
            told += [(method, path)] * int(counted(method, path) - before)
    assert ("POST", "/v1/triplets/import") in turned_away
    assert told == turned_away


@pytest.fixture
def templates() -> RouteTemplates:
    """Of routers in routers, where one word is a path of its own and might be an id."""
    inner, outer, app = APIRouter(prefix="/things"), APIRouter(prefix="/v1"), FastAPI()
    inner.post("/compare")(lambda: None)
    inner.get("/{thing}")(lambda thing: None)
    inner.delete("/{thing}")(lambda thing: None)
    inner.get("/{thing}/file/{rest:path}")(lambda thing, rest: None)
    outer.include_router(inner)
    app.include_router(outer)
    return RouteTemplates(app.routes)


@pytest.mark.parametrize(
    ("method", "path", "template"),
    [
        ("POST", "/v1/things/compare", "/v1/things/compare"),
        ("GET", "/v1/things/compare", "/v1/things/{thing}"),
        ("DELETE", "/v1/things/7", "/v1/things/{thing}"),
        ("GET", "/v1/things/7/file/a/b", "/v1/things/{thing}/file/{rest}"),
        ("PUT", "/v1/things/7", "/v1/things/{thing}"),
        ("GET", "/things/7", UNKNOWN),
        ("GET", "/v1/things/7/8", UNKNOWN),
        ("GET", "*", UNKNOWN),
    ],
)
def test_it_chooses_as_the_router_does(
    templates: RouteTemplates, method: str, path: str, template: str
) -> None:
    assert templates.of(method, path) == template
