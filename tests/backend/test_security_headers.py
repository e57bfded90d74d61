"""What browsers are told with every answer: pages, JSON, pictures, refusals and failures alike."""

from __future__ import annotations

import pytest
from fastapi import FastAPI, Response
from fastapi.testclient import TestClient

from backend import problems
from backend.middleware import HostCheck
from backend.security_headers import DOCS_POLICY, SECURITY_HEADERS, SecurityHeaders
from tests.api import add_failures

IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def client():
    app = FastAPI()
    problems.install(app)
    add_failures(app)
    app.add_middleware(HostCheck, allowed=[])
    app.add_middleware(SecurityHeaders)

    @app.get("/json")
    def json() -> int:
        return 1

    @app.get("/picture")
    def picture() -> Response:
        return Response(b"", media_type="image/webp", headers={"Cache-Control": IMMUTABLE})

    return TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("path", "status"), [("/json", 200), ("/nowhere", 404), ("/conflict", 409), ("/broken", 500)]
)
def test_an_answer_is_not_guessed_at_framed_kept_or_run(client, path, status):
    answer = client.get(path)
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_a_refused_name_has_them_too(client):
    answer = client.get("/json", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_picture_says_itself_how_long_it_may_be_kept(client):
    answer = client.get("/picture")
    assert answer.headers["cache-control"] == IMMUTABLE
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_pages_about_the_api_may_run_what_they_are_made_of(client, path):
    answer = client.get(path)
    assert answer.headers["content-security-policy"] == DOCS_POLICY
    for line in answer.text.split('"'):
        if line.startswith("https://"):
            assert "/".join(line.split("/")[:3]) in DOCS_POLICY
