"""A thumbnail of a picture of one's own: drawn and given back, never kept."""

from __future__ import annotations

import io

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from backend.accounts.actor import Actor, current_actor
from backend.catalogue.routes import router
from backend.runtime import Runtime
from tests.api import api_of
from tests.backend.encoding import hostile


@pytest.fixture
def app(runtime: Runtime) -> FastAPI:
    return api_of(runtime, router)


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app)


def test_it_is_small_and_nothing_is_kept(client: TestClient, runtime: Runtime) -> None:
    data = hostile.saved(Image.new("RGB", (900, 600), "teal"), "TIFF")
    answer = client.post("/v1/pictures/thumbnail", files={"image": ("a.tif", data)})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert Image.open(io.BytesIO(answer.content)).size == (384, 256)
    assert not (runtime.settings.home / "blobs").exists()


def test_what_is_no_picture_is_told(client: TestClient) -> None:
    answer = client.post("/v1/pictures/thumbnail", files={"image": ("a.jpg", b"hello")})
    assert answer.status_code == 415
    assert answer.json()["detail"].startswith("There is no picture that can be read in a.jpg")


def test_too_many_bytes_are_told(client: TestClient, runtime: Runtime) -> None:
    data = bytes(runtime.limits.max_bytes + 1)
    answer = client.post("/v1/pictures/thumbnail", files={"image": ("a.jpg", data)})
    assert answer.status_code == 413


def test_a_shopper_may_ask_and_nobody_below(app: FastAPI, client: TestClient) -> None:
    files = {"image": ("a.png", hostile.saved(Image.new("RGB", (9, 9))))}
    app.dependency_overrides[current_actor] = lambda: Actor("sam", "shopper")
    assert client.post("/v1/pictures/thumbnail", files=files).status_code == 200
