"""Imports over HTTP, as the command line and the UI use them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from backend import clock
from backend.accounts.actor import Actor, current_actor
from backend.catalogue.import_routes import router
from backend.catalogue.tables import Blob
from backend.runtime import Runtime
from tests.api import api_of

PHOTO = bytes(range(256)) * 2000


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def app(runtime: Runtime) -> FastAPI:
    return api_of(runtime, router)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.fixture
def job_id(client: TestClient) -> str:
    """A new import."""
    answer = client.post("/v1/imports", json={"category": "dress"})
    assert answer.status_code == 201
    assert answer.json()["state"] == "collecting"
    return str(answer.json()["id"])


def claim(client: TestClient, job_id: str, name: str, data: bytes) -> list[str]:
    file = {"name": name, "sha256": sha(data), "size": len(data)}
    answer = client.post(f"/v1/imports/{job_id}/files", json={"files": [file]})
    assert answer.status_code == 200, answer.text
    missing: list[str] = answer.json()["missing"]
    return missing


def test_open_claim_send_start(client: TestClient, job_id: str, runtime: Runtime) -> None:
    assert claim(client, job_id, "a.jpg", PHOTO) == [sha(PHOTO)]
    chunks = (PHOTO[start : start + 1000] for start in range(0, len(PHOTO), 1000))
    sent = client.put(f"/v1/imports/{job_id}/files/{sha(PHOTO)}", content=chunks)
    assert (sent.status_code, sent.content) == (204, b"")
    assert runtime.blobs.read_staged(sha(PHOTO)) == PHOTO
    assert claim(client, job_id, "a.jpg", PHOTO) == []
    started = client.post(f"/v1/imports/{job_id}/start")
    assert (started.status_code, started.json()["state"]) == (202, "queued")


def test_bytes_that_another_import_sent_are_not_asked_for_again(
    client: TestClient, job_id: str
) -> None:
    claim(client, job_id, "a.jpg", PHOTO)
    client.put(f"/v1/imports/{job_id}/files/{sha(PHOTO)}", content=PHOTO)
    other = client.post("/v1/imports", json={}).json()["id"]
    assert claim(client, other, "b.jpg", PHOTO) == []
    assert client.post(f"/v1/imports/{other}/start").status_code == 202


def test_an_empty_file_can_be_sent(client: TestClient, job_id: str) -> None:
    claim(client, job_id, "empty.jpg", b"")
    assert client.put(f"/v1/imports/{job_id}/files/{sha(b'')}", content=b"").status_code == 204
    assert client.post(f"/v1/imports/{job_id}/start").status_code == 202


def test_bytes_of_another_hash_are_refused_and_not_kept(
    client: TestClient, job_id: str, runtime: Runtime
) -> None:
    claim(client, job_id, "a.jpg", PHOTO)
    answer = client.put(f"/v1/imports/{job_id}/files/{sha(PHOTO)}", content=b"other")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
    assert answer.headers["content-type"] == "application/problem+json"
    assert not runtime.blobs.staged(sha(PHOTO))


def test_bytes_nobody_claimed_are_refused(client: TestClient, job_id: str) -> None:
    answer = client.put(f"/v1/imports/{job_id}/files/{sha(PHOTO)}", content=PHOTO)
    assert answer.status_code == 404
    assert "has not been told of a file with the SHA-256" in answer.json()["detail"]


def test_files_beyond_the_limit_are_refused_when_claimed_and_when_sent(
    client: TestClient, job_id: str, runtime: Runtime
) -> None:
    runtime.settings.max_upload_bytes = 1000
    file = {"name": "a.jpg", "sha256": sha(PHOTO), "size": len(PHOTO)}
    answer = client.post(f"/v1/imports/{job_id}/files", json={"files": [file]})
    assert answer.status_code == 413
    file["size"] = 10
    client.post(f"/v1/imports/{job_id}/files", json={"files": [file]})
    answer = client.put(f"/v1/imports/{job_id}/files/{sha(PHOTO)}", content=PHOTO)
    assert answer.status_code == 413
    assert not runtime.blobs.staged(sha(PHOTO))


def test_starting_too_early_names_what_is_missing(client: TestClient, job_id: str) -> None:
    claim(client, job_id, "a.jpg", PHOTO)
    answer = client.post(f"/v1/imports/{job_id}/start")
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        f"Import {job_id} still lacks the bytes of 1 file, first a.jpg: send what is missing, "
        "then start it.",
    )


def test_imports_need_a_manager(app: FastAPI, client: TestClient, job_id: str) -> None:
    app.dependency_overrides[current_actor] = lambda: Actor("sam", "shopper")
    requests = [
        ("POST", "/v1/imports"),
        ("POST", f"/v1/imports/{job_id}/files"),
        ("PUT", f"/v1/imports/{job_id}/files/{sha(PHOTO)}"),
        ("POST", f"/v1/imports/{job_id}/start"),
    ]
    for method, path in requests:
        assert client.request(method, path, json={}).status_code == 403


@pytest.mark.parametrize("left", [None, PHOTO[:100]])
def test_a_known_picture_whose_bytes_are_lost_is_asked_for_again(
    client: TestClient, job_id: str, runtime: Runtime, left: bytes | None
) -> None:
    facts = {"size": len(PHOTO), "format": "JPEG", "width": 1, "height": 1}
    with runtime.database.write() as session:
        session.add(Blob(sha256=sha(PHOTO), created_at=clock.now(), **facts))
    runtime.blobs.put(PHOTO)
    assert claim(client, job_id, "a.jpg", PHOTO) == []
    runtime.blobs.discard("originals", sha(PHOTO))
    if left is not None:
        runtime.blobs._files.pipe_file(runtime.blobs._blob(sha(PHOTO)), left)
    assert claim(client, job_id, "a.jpg", PHOTO) == [sha(PHOTO)]
    early = client.post(f"/v1/imports/{job_id}/start")
    assert early.status_code == 409
    assert "still lacks the bytes of 1 file, first a.jpg" in early.json()["detail"]
    client.put(f"/v1/imports/{job_id}/files/{sha(PHOTO)}", content=PHOTO)
    assert claim(client, job_id, "a.jpg", PHOTO) == []
    assert client.post(f"/v1/imports/{job_id}/start").status_code == 202
