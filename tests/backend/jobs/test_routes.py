"""Jobs over HTTP."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from backend.accounts.actor import Actor, current_actor
from backend.jobs import lease, service
from backend.jobs.routes import router
from backend.jobs.tables import JobItem
from backend.runtime import Runtime
from tests.api import api_of


@pytest.fixture
def app(runtime: Runtime) -> FastAPI:
    return api_of(runtime, router)


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app)


@pytest.fixture
def job_id(runtime: Runtime) -> str:
    with runtime.database.write() as session:
        job = service.create(session, runtime.queue, kind="ingest", actor="ann")
        session.add(JobItem(job_id=job.id, position=0, name="a.png", state="done"))
        session.add(JobItem(job_id=job.id, position=1, name="b.png", state="failed", reason="No."))
        return job.id


def test_jobs_are_listed_and_shown(client: TestClient, job_id: str) -> None:
    page = client.get("/v1/jobs").json()
    assert (page["total"], page["next_cursor"]) == (1, None)
    assert page["items"][0] == client.get(f"/v1/jobs/{job_id}").json()
    assert page["items"][0]["state"] == "queued"


@pytest.mark.parametrize(("query", "found"), [("kind=embed", 0), ("state=queued&kind=ingest", 1)])
def test_jobs_are_filtered(client: TestClient, job_id: str, query: str, found: int) -> None:
    assert client.get(f"/v1/jobs?{query}").json()["total"] == found


@pytest.mark.parametrize("query", ["state=lost", "kind=magic", "limit=0", "limit=201"])
def test_wrong_parameters_are_refused(client: TestClient, query: str) -> None:
    assert client.get(f"/v1/jobs?{query}").status_code == 422


def test_a_report_is_read_in_pages(client: TestClient, job_id: str) -> None:
    first = client.get(f"/v1/jobs/{job_id}/items?limit=1").json()
    query = {"limit": 1, "cursor": first["next_cursor"]}
    second = client.get(f"/v1/jobs/{job_id}/items", params=query).json()
    assert [page["items"][0]["name"] for page in (first, second)] == ["a.png", "b.png"]
    failed = client.get(f"/v1/jobs/{job_id}/items?state=failed").json()
    assert [item["reason"] for item in failed["items"]] == ["No."]


def test_cancel_and_retry_answer_202_with_the_job(
    client: TestClient, runtime: Runtime, job_id: str
) -> None:
    cancelled = client.post(f"/v1/jobs/{job_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
    retried = client.post(f"/v1/jobs/{job_id}/retry")
    assert (retried.status_code, retried.json()["state"]) == (202, "queued")
    assert runtime.queue.waiting("ingest") == 2


def test_cancelling_what_runs_shows_that_it_is_stopping(
    client: TestClient, runtime: Runtime, job_id: str
) -> None:
    with runtime.database.write() as session:
        lease.claim(session, job_id, "worker")
    assert client.post(f"/v1/jobs/{job_id}/cancel").json()["state"] == "cancelling"


def test_what_cannot_be_done_is_a_problem_document(client: TestClient, job_id: str) -> None:
    answer = client.post(f"/v1/jobs/{job_id}/retry")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == (
        "The job is queued: only a failed or cancelled job can be retried."
    )


@pytest.mark.parametrize("path", ["/v1/jobs/nope", "/v1/jobs/nope/items"])
def test_an_unknown_job_is_404(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_shopper_sees_no_jobs(app: FastAPI, client: TestClient) -> None:
    app.dependency_overrides[current_actor] = lambda: Actor("sue", "shopper")
    assert client.get("/v1/jobs").status_code == 403


def test_a_reconciliation_is_started_once(client: TestClient) -> None:
    first = client.post("/v1/jobs/reconcile", json={})
    assert first.status_code == 202
    assert (first.json()["kind"], first.json()["actor"]) == ("reconcile", "local")
    assert first.json()["parameters"] == {"mend": True, "deep": False}
    assert client.post("/v1/jobs/reconcile", json={}).json()["id"] == first.json()["id"]
    other = client.post("/v1/jobs/reconcile", json={"mend": False})
    assert other.status_code == 409
    assert other.json()["detail"].startswith(f"Job {first.json()['id']} reconciles already")


def test_only_an_admin_starts_one(app: FastAPI, client: TestClient) -> None:
    app.dependency_overrides[current_actor] = lambda: Actor("mia", "manager")
    assert client.post("/v1/jobs/reconcile", json={}).status_code == 403
