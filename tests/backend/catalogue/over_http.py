"""The catalogue's routes in a test, and what most tests of them begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from backend.blobs import BlobStore
from backend.catalogue.routes import router
from backend.database import Database
from backend.gallery.opening import open_store
from backend.jobs.broker import Queue
from backend.runtime import Runtime
from backend.settings import Settings
from tests.api import api_of
from tests.backend.catalogue.stock import picture

TEE = {
    "sku": "TEE-0042",
    "title": "Red striped T-shirt",
    "category": "t-shirt",
    "price": "19.90",
    "currency": "EUR",
    "attributes": {"Colour": "red", "Size": 38},
}


@pytest.fixture
def runtime(sqlite_database: Database, queue: Queue, tmp_path: Path) -> Iterator[Runtime]:
    galleries = open_store("edge", tmp_path / "galleries")
    settings = Settings(home=tmp_path, max_image_bytes=20_000)
    blobs = BlobStore(f"memory://{uuid4()}")
    opened = Runtime(settings, sqlite_database, blobs, galleries, queue)
    yield opened
    opened.close()


@pytest.fixture
def app(runtime: Runtime) -> FastAPI:
    return api_of(runtime, router)


@pytest.fixture
def http(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def created(http: TestClient, fields: dict[str, Any]) -> Any:
    answer = http.post("/v1/products", json=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def with_image(http: TestClient, product_id: str, data: bytes) -> Any:
    answer = http.post(f"/v1/products/{product_id}/images", files={"image": ("p.jpg", data)})
    assert answer.status_code == 201, answer.text
    return answer.json()


def jpeg(colour: str = "red", size: tuple[int, int] = (60, 80)) -> bytes:
    return picture(colour, size, "JPEG")


def refused(answer: Any, status: int, sentence: str) -> None:
    """The answer is a problem document that says so."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert sentence in answer.json()["detail"]
