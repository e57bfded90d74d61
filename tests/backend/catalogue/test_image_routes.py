"""The images of products over HTTP: added, taken off, refused, served."""

from __future__ import annotations

import io
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from PIL import Image as Pillow
from sqlalchemy import select

from backend.blobs import BlobStore
from backend.catalogue.tables import Removal
from backend.jobs.tables import Job
from backend.runtime import Runtime
from tests.backend.catalogue.over_http import (
    TEE,
    app,
    created,
    http,
    jpeg,
    refused,
    runtime,
    with_image,
)
from tests.backend.catalogue.stock import gallery, sha

__all__ = ["app", "http", "runtime"]


def test_an_image_is_stored_shown_and_queued_once(http: TestClient, runtime: Runtime) -> None:
    with runtime.database.write() as session:
        gallery(session, "gallery-a")
    product_id = created(http, TEE)["id"]

    shown = with_image(http, product_id, jpeg())
    again = with_image(http, product_id, jpeg())

    assert again == shown
    (image,) = shown["images"]
    assert (image["width"], image["height"], image["embedded"]) == (60, 80, False)
    assert runtime.blobs.read(image["sha256"]) == jpeg()
    with runtime.database.read() as session:
        assert session.scalars(select(Job.subject)).all() == ["gallery-a"]


class Forgetful(BlobStore):
    """As if an embed job had removed the first blob just after it was put."""

    forgotten = False

    def put(self, data: bytes) -> str:
        sha256 = super().put(data)
        if not self.forgotten:
            self.forgotten = True
            self.delete(sha256)
        return sha256


def test_bytes_removed_while_they_are_added_again_are_there(
    http: TestClient, runtime: Runtime
) -> None:
    runtime.blobs = Forgetful(f"memory://{uuid4()}")
    (image,) = with_image(http, created(http, TEE)["id"], jpeg())["images"]
    assert runtime.blobs.read(image["sha256"]) == jpeg()


def test_an_image_is_taken_off(http: TestClient, runtime: Runtime) -> None:
    product_id = created(http, TEE)["id"]
    with_image(http, product_id, jpeg("red"))
    red, blue = with_image(http, product_id, jpeg("blue"))["images"]
    path = f"/v1/products/{product_id}/images/{red['id']}"

    assert http.delete(path).status_code == 204

    assert http.get(f"/v1/products/{product_id}").json()["images"] == [blue]
    refused(http.delete(path), 404, "has no image")
    with runtime.database.read() as session:
        assert session.scalars(select(Removal.sha256)).all() == [red["sha256"]]


@pytest.mark.parametrize(
    ("data", "status", "sentence"),
    [
        (b"hello", 415, "no picture that can be read in p.jpg"),
        (b"", 415, "nothing in p.jpg: it has zero bytes"),
        (jpeg(size=(300, 300))[:-400], 415, "p.jpg is damaged or cut short"),
        (b"x" * 20_001, 413, "20,001 bytes in p.jpg, and 20,000 are allowed"),
    ],
)
def test_pictures_that_are_refused(
    http: TestClient, runtime: Runtime, data: bytes, status: int, sentence: str
) -> None:
    path = f"/v1/products/{created(http, TEE)['id']}/images"
    refused(http.post(path, files={"image": ("p.jpg", data)}), status, sentence)
    refused(http.post("/v1/products/x/images", files={"image": ("p", data)}), 404, "no product x")
    assert http.get("/v1/catalogue").json()["images"] == 0


def test_a_picture_is_served_as_webp_for_ever(http: TestClient) -> None:
    (image,) = with_image(http, created(http, TEE)["id"], jpeg(size=(1300, 650)))["images"]

    answers = {kind: http.get(image[kind]) for kind in ("thumbnail", "preview")}

    sizes = {kind: Pillow.open(io.BytesIO(one.content)).size for kind, one in answers.items()}
    assert sizes == {"thumbnail": (384, 192), "preview": (1200, 600)}
    headers = answers["thumbnail"].headers
    assert headers["content-type"] == "image/webp"
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["x-content-type-options"] == "nosniff"
    known = http.get(image["thumbnail"], headers={"If-None-Match": f'"x", W/{headers["etag"]}'})
    assert (known.status_code, known.content) == (304, b"")
    assert known.headers["etag"] == headers["etag"] != answers["preview"].headers["etag"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/v1/pictures/{sha(1)}/preview", 404),
        (f"/v1/pictures/{sha(1)}/original", 422),
        (f"/v1/pictures/{'A' * 64}/preview", 422),
        ("/v1/pictures/..%2F..%2Fetc/preview", 404),
        (f"/v1/blobs/{sha(1)}", 404),
        ("/v1/blobs/abc", 422),
    ],
)
def test_pictures_that_are_not_there(http: TestClient, path: str, status: int) -> None:
    answer = http.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_original_bytes_are_a_download_no_browser_displays(http: TestClient) -> None:
    (image,) = with_image(http, created(http, TEE)["id"], jpeg())["images"]
    answer = http.get(f"/v1/blobs/{image['sha256']}")
    assert answer.content == jpeg()
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
