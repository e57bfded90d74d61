"""The stores every contract test runs over, and points to put in them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from backend.gallery.opening import open_store
from backend.gallery.port import Gallery, GalleryStore, Point
from tests import qdrant_standin, services

ADAPTERS = ("edge", ":memory:", "stand-in", "server")
DIM = 8
# Other work on the machine is no failure of ours.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module", params=ADAPTERS)
def store(request, tmp_path_factory) -> Iterator[GalleryStore]:
    store = open_test_store(request.param, tmp_path_factory.mktemp("store"))
    yield store
    store.close()


@pytest.fixture
def gallery(store) -> Iterator[Gallery]:
    gallery = store.create(fresh_name(), DIM)
    yield gallery
    store.drop(gallery.name)


def open_test_store(adapter: str, folder: Path) -> GalleryStore:
    servers = {"stand-in": qdrant_standin.shared_url, "server": services.qdrant_url}
    url = servers[adapter]() if adapter in servers else adapter
    return open_store(url, folder / "galleries")


def fresh_name() -> str:
    return f"test-{uuid.uuid4().hex}"


def image_id(number: int) -> str:
    """Ids in an order of their own, not that of their numbers."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))


def point(number: int, vector=None, **payload: Any) -> Point:
    vector = random_vector(number) if vector is None else vector
    whole = {
        "product": f"product-{number}",
        "sku": f"SKU-{number}",
        "category": "dress",
        "split": "train",
        "attributes": {},
    }
    return Point(image_id(number), np.asarray(vector, dtype=np.float32), {**whole, **payload})


def random_vector(seed: int) -> np.ndarray[Any, Any]:
    """A vector (DIM,) of length other than 1."""
    return np.random.default_rng(seed).normal(size=DIM).astype(np.float32)


def cosine(a, b) -> float:
    return float(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))
