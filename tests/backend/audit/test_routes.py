"""The audit log over HTTP: pages and CSV, for admins only."""

from __future__ import annotations

import csv
import io
import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from backend.accounts.actor import Actor, current_actor
from backend.audit.routes import router
from backend.audit.schemas import AuditFilter, AuditLineOut
from backend.audit.service import Subject, note
from backend.client import AkinClient, ApiError
from backend.paging import Page
from backend.runtime import Runtime
from tests.api import api_of, client_of
from tests.conftest import MovableClock


@pytest.fixture
def app(runtime: Runtime) -> FastAPI:
    return api_of(runtime, router)


@pytest.fixture
def http(app: FastAPI) -> TestClient:
    return TestClient(app)


@pytest.fixture
def client(http: TestClient) -> AkinClient:
    return client_of(http)


@pytest.fixture
def noted(runtime: Runtime, clock: MovableClock) -> MovableClock:
    """Three lines, a minute apart; the clock stands at the last."""
    for number, action in enumerate(("product.create", "product.update", "model.promote")):
        clock.advance(60)
        with runtime.database.write() as session:
            subject = Subject("product", f"p{number}", f"=TEE-{number}")
            note(session, "ann", action, subject, before={"n": "-1"}, after={"n": number})
    return clock


def test_pages_are_newest_first(client: AkinClient, noted: MovableClock) -> None:
    page = client.audit(limit=2)
    assert [line.action for line in page.items] == ["model.promote", "product.update"]
    assert page.total == 3
    rest = client.audit(cursor=page.next_cursor, limit=2)
    assert [line.action for line in rest.items] == ["product.create"]
    assert rest.next_cursor is None


def test_a_filter_is_the_same_for_pages_and_csv(client: AkinClient, noted: MovableClock) -> None:
    wanted = AuditFilter(actor="ann", action="product.", since=noted.moment.replace(minute=2))
    assert [line.subject_id for line in client.audit(wanted).items] == ["p1"]
    rows = list(csv.reader(io.StringIO(b"".join(client.audit_table(wanted)).decode("utf-8-sig"))))
    assert [row[4] for row in rows] == ["subject_id", "p1"]


def test_the_csv_is_safe_for_spreadsheets_and_complete(
    client: AkinClient, noted: MovableClock
) -> None:
    data = b"".join(client.audit_table())
    assert data.startswith(b"\xef\xbb\xbftime,actor,action,")
    head, *rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    assert len(rows) == 3
    newest = dict(zip(head, rows[0], strict=True))
    assert newest["label"] == "'=TEE-2"
    assert newest["time"] == noted.moment.isoformat()
    assert json.loads(newest["after"]) == {"n": 2}


@pytest.mark.parametrize(
    "query",
    [
        "action=Drop table",
        "action=.",
        "actor=",
        "actor=a%00b",
        f"subject_id={'x' * 101}",
        "from=yesterday",
        "to=0001-01-01T00:00:00%2B14:00",
        "cursor=%00",
        "limit=0",
        "limit=201",
    ],
)
def test_wrong_parameters_are_refused(http: TestClient, query: str) -> None:
    answer = http.get(f"/v1/audit?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_time_without_a_zone_is_utc(http: TestClient, noted: MovableClock) -> None:
    after_all = noted.moment.replace(tzinfo=None).isoformat()
    assert http.get(f"/v1/audit?from={after_all}").json()["total"] == 1
    assert http.get(f"/v1/audit?to={after_all}").json()["total"] == 2
    assert http.get("/v1/audit?from=2026-01-01T14:02:30%2B02:00").json()["total"] == 1


@pytest.mark.parametrize("path", ["/v1/audit", "/v1/audit.csv"])
def test_only_an_admin_reads_it(app: FastAPI, http: TestClient, path: str) -> None:
    app.dependency_overrides[current_actor] = lambda: Actor("mia", "manager")
    answer = http.get(path)
    assert answer.status_code == 403
    assert "needs the role admin and mia is a manager" in answer.json()["detail"]


def test_a_refusal_reaches_the_reader_of_the_csv(client: AkinClient, app: FastAPI) -> None:
    app.dependency_overrides[current_actor] = lambda: Actor("mia", "manager")
    with pytest.raises(ApiError, match="needs the role admin"):
        list(client.audit_table())


def test_the_documented_answer_is_one(http: TestClient) -> None:
    operation = http.get("/openapi.json").json()["paths"]["/v1/audit"]["get"]
    example = operation["responses"]["200"]["content"]["application/json"]["example"]
    assert Page[AuditLineOut].model_validate(example).items[0].label == "TEE-0042"
