"""What every request passes first: the Host and Origin headers, the body limit, the metrics."""

from __future__ import annotations

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from backend import problems
from backend.bodies import BodyLimit
from backend.middleware import HostCheck, OriginCheck, RequestMetrics
from tests.api import add_failures

LIMIT = 1000


@pytest.fixture
def client():
    app = FastAPI()
    problems.install(app)
    add_failures(app)
    app.add_middleware(RequestMetrics, routes=app.routes)
    app.add_middleware(BodyLimit, limit=LIMIT)
    app.add_middleware(OriginCheck, allowed=["shop.example"])
    app.add_middleware(HostCheck, allowed=["shop.example"])

    @app.get("/echo")
    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    @app.put("/v1/imports/streamed")
    @app.post("/v1/imports/streamed")
    async def streamed(request: Request) -> int:
        return len(await request.body())

    return TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost:8000", "[::1]:8000", "shop.example", "192.168.1.7:8000", "[fd00::5]"],
)
def test_its_own_names_are_answered(client, host):
    assert client.post("/echo", content=b"x", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil"])
def test_a_foreign_name_is_refused(client, host):
    answer = client.post("/echo", content=b"x", headers={"host": host})
    assert answer.status_code == 400
    assert "add it to AKIN_ALLOWED_HOSTS" in answer.json()["detail"]


FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "http://127.0.0.1.evil.example:8000"},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8000"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_foreign_page_may_change_nothing(client, headers):
    answer = client.post("/echo", content=b"x", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["detail"] == (
        "This request comes from a page of another site, which may change nothing here: send it "
        "from a page of this server, or without a browser."
    )
    assert client.put("/v1/imports/streamed", content=b"x", headers=headers).status_code == 403


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_foreign_page_may_link_here(client, headers):
    assert client.get("/echo", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1:8501"},
        {"origin": "http://[::1]:8000"},
        {"origin": "https://shop.example", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
def test_its_own_pages_and_programs_may(client, headers):
    assert client.post("/echo", content=b"x", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("allowed", "origin", "status"),
    [
        ([], "http://shop.lan:8000", 200),
        ([], "http://evil.example", 403),
        (["*"], "http://evil.example", 200),
    ],
)
def test_on_an_open_network_the_name_asked_for_is_its_own(allowed, origin, status):
    app = FastAPI()
    app.add_middleware(OriginCheck, allowed=allowed)
    app.post("/echo")(lambda: None)
    client = TestClient(app, base_url="http://shop.lan:8000")
    assert client.post("/echo", headers={"origin": origin}).status_code == status


def test_a_body_over_the_limit_is_refused_by_its_length(client):
    assert client.post("/echo", content=b"x" * LIMIT).json() == LIMIT
    answer = client.post("/echo", content=b"x" * (LIMIT + 1))
    assert answer.status_code == 413
    assert "send large catalogues as an import" in answer.json()["detail"]


def test_a_body_without_a_length_is_counted_as_it_comes(client):
    answer = client.post("/echo", content=(b"x" * 100 for _ in range(LIMIT)))
    assert answer.status_code == 413


def test_imports_have_a_limit_of_their_own(client):
    assert client.put("/v1/imports/streamed", content=b"x" * 5 * LIMIT).json() == 5 * LIMIT


def test_only_the_bytes_of_an_import_have_it(client):
    assert client.post("/v1/imports/streamed", content=b"x" * 5 * LIMIT).status_code == 413


def test_a_told_failure_is_a_problem_document(client):
    answer = client.get("/conflict")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "It is taken: choose another.",
        "code": "conflict",
    }


def test_an_unexpected_failure_tells_nothing_of_the_inside(client):
    answer = client.get("/broken")
    assert answer.status_code == 500
    assert "see the server's log" in answer.json()["detail"]
    assert "secret" not in answer.text


def test_a_path_that_is_not_there(client):
    assert "There is nothing at /nowhere" in client.get("/nowhere").json()["detail"]
