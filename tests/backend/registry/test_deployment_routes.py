"""Promotion and rollback over HTTP: what is loaded before the row is written, and by whom."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from backend.database import Database
from backend.registry import replicas
from backend.registry.deployment_routes import router
from backend.registry.deployments import Active
from backend.registry.tables import Replica
from backend.runtime import Runtime
from tests.api import api_of
from tests.backend.registry.stock import add_version, figures, start


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """Over HTTP one database is enough."""
    return sqlite_database


@pytest.fixture
def now(runtime: Runtime, tiny: Any) -> Active:
    return start(runtime, tiny)


class Loading:
    """Stands in for what this process answers with: notes what it loads, and who is asked to by
    then; the other process has loaded it as well from there on."""

    def __init__(self, runtime: Runtime) -> None:
        self.database = runtime.database
        self.loaded: list[tuple[str, str | None]] = []

    def prepare(self, version: Active) -> None:
        with self.database.write() as session:
            other = session.get_one(Replica, "other")
            self.loaded.append((version.version_id, other.asked_version))
            replicas.say(session, "other", "other:1", [(version.version_id, version.gallery_id)])

    def follow(self) -> None:
        """The row is written."""


@pytest.fixture
def loading(runtime: Runtime, now: Active) -> Loading:
    """One of two processes of the server profile."""
    runtime.settings = runtime.settings.model_copy(update={"broker_url": "redis://queue"})
    with runtime.database.write() as session:
        replicas.say(session, "other", "other:1", [])
        add_version(session, now, "better", figures=figures(now, 90.0, 80.0))
        add_version(session, now, "worse", figures=figures(now, 70.0, 80.0))
    return Loading(runtime)


@pytest.fixture
def http(runtime: Runtime, loading: Loading) -> TestClient:
    return TestClient(api_of(runtime, router, serving=loading))


def test_the_other_processes_load_a_version_while_this_one_does(
    http: TestClient, loading: Loading, now: Active
) -> None:
    assert http.post("/v1/models/id of better/promote", json={}).status_code == 200
    assert loading.loaded == [("id of better", "id of better")]
    assert http.post("/v1/models/rollback", json={}).status_code == 200
    assert loading.loaded[1:] == [(now.version_id, now.version_id)]


@pytest.mark.parametrize(
    ("version", "asked", "told"),
    [
        ("worse", {}, "worse does not pass the gate (R@10 70.0 on 200 held-out triplets"),
        ("worse", {"override": True}, "An override needs its reason"),
        ("nobody", {}, "There is no model version"),
    ],
)
def test_what_may_not_take_over_is_refused_before_anybody_loads_it(
    http: TestClient, loading: Loading, version: str, asked: dict[str, Any], told: str
) -> None:
    answer = http.post(f"/v1/models/id of {version}/promote", json=asked)
    assert told in answer.json()["detail"]
    assert loading.loaded == []
