"""The registry over HTTP."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from backend.client import AkinClient, ApiError
from backend.database import Database
from backend.paging import Page
from backend.registry.routes import router
from backend.registry.schemas import ModelInfo, VersionOut
from backend.registry.service import ensure_active
from backend.search.serving import Serving
from tests.api import api_of, client_of


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """Over HTTP one database is enough."""
    return sqlite_database


@pytest.fixture
def http(runtime) -> TestClient:
    return TestClient(api_of(runtime, router))


@pytest.fixture
def client(http: TestClient) -> AkinClient:
    return client_of(http)


def test_what_answers_today(client, http, runtime, tiny):
    with runtime.database.write() as session:
        now = ensure_active(session, runtime, tiny)
    serving = Serving(runtime, now)
    http.app.state.serving = serving
    told = client.model()
    serving.close()
    assert (told.version, told.fingerprint) == (now.version, now.fingerprint)
    assert told.context_length == 12


def test_before_the_first_start_that_is_told(client):
    with pytest.raises(ApiError, match="still being loaded: try again") as refused:
        client.model()
    assert refused.value.status == 503


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/v1/model", ModelInfo),
        ("/v1/models", Page[VersionOut]),
        ("/v1/models/{version_id}", VersionOut),
    ],
)
def test_the_documented_answers_are_such(http, path, schema):
    documented = http.get("/openapi.json").json()["paths"][path]["get"]
    schema.model_validate(documented["responses"]["200"]["content"]["application/json"]["example"])
