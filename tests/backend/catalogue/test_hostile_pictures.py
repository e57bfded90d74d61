"""Hostile pictures over HTTP: told in a sentence, shown as nothing but WebP, and survived."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from backend.catalogue.routes import router
from backend.encoding.decode_pool import DecodePool
from backend.runtime import Runtime
from tests.api import api_of
from tests.backend.catalogue.stock import picture
from tests.backend.encoding import hostile


@pytest.fixture
def http(runtime: Runtime) -> Iterator[TestClient]:
    """The catalogue's routes over a decoder of the test's own, of one child."""
    runtime.query_decoder = DecodePool(1, runtime.limits, seconds=20)
    with TestClient(api_of(runtime, router)) as client:
        yield client
    runtime.query_decoder.close()


@pytest.fixture
def images(http: TestClient) -> str:
    """Where the images of a new product are sent to."""
    made = http.post("/v1/products", json={"sku": "TEE", "title": "Tee"}).json()
    return f"/v1/products/{made['id']}/images"


@pytest.mark.parametrize(
    ("data", "status", "sentence"),
    [
        (hostile.huge_png(), 413, "The picture in a.jpg has too many pixels"),
        (hostile.text_bomb(b"zTXt"), 415, "The picture in a.jpg is damaged or cut short"),
        (b"<svg onload='alert(1)'/>", 415, "There is no picture that can be read in a.jpg"),
        (b"", 415, "There is nothing in a.jpg: it has zero bytes."),
    ],
    ids=["huge", "text", "svg", "empty"],
)
def test_a_hostile_picture_is_a_problem_document(
    http: TestClient, images: str, data: bytes, status: int, sentence: str
) -> None:
    answer = http.post(images, files={"image": ("a.jpg", data, "image/jpeg")})
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    assert answer.json()["detail"].startswith(sentence)


@pytest.mark.parametrize("kind", ["jpeg-and-zip", "gif-and-script", "png-with-more-behind"])
def test_what_else_a_picture_is_never_reaches_a_browser(
    http: TestClient, images: str, kind: str
) -> None:
    data = hostile.polyglots()[kind]
    made = http.post(images, files={"image": ("a.html", data, "text/html")})
    assert made.status_code == 201
    sha256 = made.json()["images"][0]["sha256"]
    for form in ("thumbnail", "preview"):
        shown = http.get(f"/v1/pictures/{sha256}/{form}")
        assert shown.headers["content-type"] == "image/webp"
        assert shown.headers["x-content-type-options"] == "nosniff"
        assert hostile.FOREIGN not in shown.content
        assert Image.open(io.BytesIO(shown.content)).format == "WEBP"
    original = http.get(f"/v1/blobs/{sha256}")
    assert original.content == data
    assert original.headers["content-type"] == "application/octet-stream"
    assert original.headers["content-disposition"].startswith("attachment;")
    assert original.headers["x-content-type-options"] == "nosniff"


def test_the_api_outlives_its_decoder(http: TestClient, images: str, runtime: Runtime) -> None:
    for colour in ("red", "green", "blue"):
        answer = http.post(images, files={"image": ("a.png", picture(colour), "image/png")})
        assert answer.status_code == 201
        for pid in runtime.query_decoder.children():
            os.kill(pid, signal.SIGKILL)
    assert len(answer.json()["images"]) == 3


def test_a_decoder_that_is_shut_down_is_a_problem_document(
    http: TestClient, images: str, runtime: Runtime
) -> None:
    runtime.query_decoder.close()
    answer = http.post(images, files={"image": ("a.png", picture(), "image/png")})
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("The picture decoder is shut down")
