"""The shop that searches are tried in, with its feedback over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from backend.client import AkinClient
from backend.feedback.routes import router
from backend.search.routes import router as search_router
from backend.search.serving import Serving
from tests.api import api_of, client_of
from tests.backend.search.conftest import shop, tiny_backbone
from tests.backend.search.shop import Shop, picture

__all__ = ["shop", "tiny_backbone"]

COLOURS = ("red", "green", "blue", "yellow")


@pytest.fixture
def serving(shop: Shop) -> Iterator[Serving]:
    """What answers in the shop."""
    found = Serving(shop.runtime, shop.active)
    yield found
    found.close()


@pytest.fixture
def app(shop: Shop, serving: Serving) -> FastAPI:
    """A shop of four tees that can be searched and judged."""
    for colour in COLOURS:
        shop.add(f"TEE-{colour}", picture(colour))
    return api_of(shop.runtime, search_router, router, serving=serving)


@pytest.fixture
def http(app: FastAPI) -> Iterator[TestClient]:
    """Its HTTP API."""
    with TestClient(app) as client:
        yield client


@pytest.fixture
def client(http: TestClient) -> AkinClient:
    """The client that the command line and the UI use."""
    return client_of(http)
