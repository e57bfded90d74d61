"""The whole application over a real runtime: start, readiness, its own description, its end."""

from __future__ import annotations

import sys
from uuid import UUID

import numpy as np
import pytest
import structlog
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from backend import disk_space
from backend.app import create_app, running
from backend.catalogue.schemas import FileClaims, FilesWanted
from backend.gallery.edge_store import EdgeGalleryStore
from backend.gallery.port import Point
from backend.jobs.schemas import JobItemOut, JobOut
from backend.rate_limits import RateLimits
from backend.runtime import open_runtime
from backend.settings import Settings
from tests.backend.search.shop import write_tiny_backbone

LOCAL = "http://127.0.0.1:8000"
OPEN_TO_ALL = {"/healthz", "/readyz", "/metrics", "/v1/login"}


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    runtime = open_runtime(Settings(home=tmp_path_factory.mktemp("home")))
    yield create_app(runtime)
    runtime.close()


@pytest.fixture(scope="module")
def client(app):
    with running(app, app.state.runtime):
        yield TestClient(app, base_url=LOCAL)


def routes(router):
    """Every operation, those of included routers too."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif included := getattr(route, "original_router", None):
            yield from routes(included)


def test_it_is_ready_once_started(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok"}


def test_who_asks_too_often_waits_and_health_and_metrics_stay_open(client, app):
    kept = app.state.rate_limits
    app.state.rate_limits = RateLimits(Settings(rate_per_minute=1))
    asked = [client.get("/v1/catalogue").status_code for _ in range(2)]
    paths = OPEN_TO_ALL - {"/v1/login"}
    open_ones = {client.get(path).status_code for path in paths for _ in range(3)}
    app.state.rate_limits = kept
    assert (asked, open_ones) == ([200, 429], {200})


def test_it_is_not_ready_before(app):
    unstarted = TestClient(app, base_url=LOCAL)
    kept, app.state.serving = getattr(app.state, "serving", None), None
    answer = unstarted.get("/readyz")
    app.state.serving = kept
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["detail"] == (
        "The model is still being loaded: try again in a few seconds."
    )


@pytest.mark.parametrize(
    ("given", "host", "status"),
    [
        ({}, "evil.example", 400),
        ({"allow_open": True}, "evil.example", 400),
        ({"host": "0.0.0.0", "allow_open": True}, "evil.example", 400),
        ({"host": "0.0.0.0", "allow_open": True}, "192.168.1.7:8000", 200),
        ({"host": "0.0.0.0", "allow_open": True, "allowed_hosts": "shop.lan"}, "shop.lan", 200),
        ({"host": "0.0.0.0"}, "evil.example", 200),
    ],
)
def test_where_nobody_logs_in_a_foreign_name_is_refused(runtime, given, host, status):
    runtime.settings = Settings(home=runtime.settings.home, **given)
    client = TestClient(create_app(runtime), base_url=LOCAL)
    assert client.get("/healthz", headers={"host": host}).status_code == status


def test_metrics_count_requests_by_route(client):
    client.get("/v1/jobs/nothing")
    text = client.get("/metrics").text
    assert 'akin_requests_total{method="GET",route="/v1/jobs/{job_id}",status="404"}' in text


def test_every_operation_describes_itself(client):
    paths = client.get("/openapi.json").json()["paths"]
    operations = [
        (method, path, operation)
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]
    assert len(operations) > 20
    for method, path, operation in operations:
        assert operation.get("summary"), (method, path)
        assert operation.get("description"), (method, path)
        assert operation.get("tags"), (method, path)


def test_bodies_have_examples(client):
    description = client.get("/openapi.json").json()
    schemas = description["components"]["schemas"]
    heard = ("SearchRequest", "ProductCreate", "ProductUpdate", "ImportCreate", "FileClaims")
    for name in (*heard, "FilesWanted", "JobOut", "JobItemOut"):
        assert schemas[name]["examples"], name


@pytest.mark.parametrize("model", [FileClaims, FilesWanted, JobOut, JobItemOut])
def test_examples_are_what_they_exemplify(model):
    (example,) = model.model_json_schema()["examples"]
    model.model_validate(example)


@pytest.mark.parametrize("path", ["/v1/imports", "/v1/jobs/{job_id}/cancel", "/v1/model"])
def test_refusals_are_described_as_problems(client, path):
    for operation in client.get("/openapi.json").json()["paths"][path].values():
        for status in ("403", "422"):
            content = operation["responses"][status]["content"]["application/problem+json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_a_foreign_page_cannot_change_anything(client):
    form = {"data": {"request": "{}"}, "headers": {"origin": "https://evil.example"}}
    assert client.post("/v1/search/upload", **form).status_code == 403
    assert client.post("/v1/imports", json={}, headers={"origin": LOCAL}).status_code == 201


@pytest.fixture
def large(tmp_path):
    """An installation started before, whose gallery has so many points that it is optimised."""
    folder = write_tiny_backbone(tmp_path / "tiny")
    runtime = open_runtime(Settings(home=tmp_path, backbone=f"local-dir:{folder}"))
    with running(create_app(runtime), runtime):
        (name,) = runtime.galleries.names()
    runtime.galleries.close()
    runtime.galleries = EdgeGalleryStore(tmp_path / "galleries", exact_below=100)
    gallery = runtime.galleries.open(name)
    vectors = np.random.default_rng(0).normal(size=(2000, gallery.dim)).astype(np.float32)
    gallery.upsert([Point(str(UUID(int=n)), vectors[n], {"product": "P"}) for n in range(2000)])
    gallery.delete([str(UUID(int=n)) for n in range(1000)])  # reason enough to rewrite the segment
    yield runtime
    runtime.close()


def segments(runtime):
    return {path.name for path in runtime.settings.home.glob("galleries/*/segments/*")}


def test_a_large_gallery_is_optimised_at_start(large):
    before = segments(large)
    told: list[str] = []
    with running(create_app(large), large, told.append):
        assert segments(large) != before
    assert told == ["Optimising the gallery of 1,000 pictures for search: this can take minutes."]


@pytest.mark.long
def test_it_starts_although_the_gallery_cannot_be_optimised(large, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    before = segments(large)
    app = create_app(large)
    with running(app, large):
        assert TestClient(app, base_url=LOCAL).get("/readyz").status_code == 200
    assert segments(large) == before


@pytest.mark.long
def test_it_starts_although_there_is_no_room_to_optimise_the_gallery(large, monkeypatch):
    monkeypatch.setattr(disk_space, "GALLERY_RESERVE", 2**62)
    before = segments(large)
    app = create_app(large)
    with structlog.testing.capture_logs() as lines, running(app, large):
        assert TestClient(app, base_url=LOCAL).get("/readyz").status_code == 200
    (line,) = [line for line in lines if line["event"] == "the gallery is not optimised"]
    assert "make room, then start again" in line["error"]
    assert segments(large) == before


@pytest.mark.long
def test_a_panic_of_the_engine_amid_a_search_is_told(large):
    app = create_app(large)
    with running(app, large):
        client = TestClient(app, base_url=LOCAL)
        assert client.post("/v1/search", json={"text": "red"}).status_code == 200
        for places in large.settings.home.glob(
            "galleries/*/segments/*/payload_storage/tracker.dat"
        ):
            with places.open("r+b") as file:
                file.write(b"\xff" * 65536)
        answer = client.post("/v1/search", json={"text": "blue"})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "cannot be read (assertion failed" in answer.json()["detail"]


def test_every_operation_of_v1_asks_for_a_role(app):
    def asks(dependant):
        name = getattr(dependant.call, "__qualname__", "")
        return name.startswith("require.") or any(map(asks, dependant.dependencies))

    open_routes = {route.path for route in routes(app) if not asks(route.dependant)}
    assert open_routes == OPEN_TO_ALL
