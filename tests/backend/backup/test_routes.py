"""A backup over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest
from fastapi.testclient import TestClient

from backend.accounts import passwords, service
from backend.app import create_app
from backend.audit.schemas import AuditFilter
from backend.audit.service import all_lines
from backend.backup.restoring import check_backup
from backend.client import AkinClient
from backend.errors import Unavailable
from backend.runtime import Runtime
from tests.migrations.filling import fill

PASSWORD = "correct horse battery"


def test_it_is_streamed_and_says_how_large_it_will_be(runtime: Runtime, tmp_path: Path) -> None:
    app = create_app(runtime)
    app.state.serving = None
    told: list[int] = []
    with TestClient(app, base_url="http://127.0.0.1:8000") as http:
        path = tmp_path / "x.tar"
        path.write_bytes(
            b"".join(AkinClient("http://x", http=cast(httpx.Client, http)).backup(told.append))
        )
    _, manifest = check_backup(path, lambda *_: None)
    assert set(manifest.rows.values()) == {0}
    assert told == [0]


def test_whoever_takes_it_leaves_a_line_in_the_audit_log(runtime: Runtime) -> None:
    app = create_app(runtime)
    app.state.serving = None
    with runtime.database.write() as session:
        service.add(session, "ann", "admin", passwords.hashed(PASSWORD), "local")
    token = runtime.guard.log_in("ann", PASSWORD, "here").token
    http = TestClient(app, base_url="http://127.0.0.1:8000")
    assert http.get("/v1/backup", headers={"Authorization": f"Bearer {token}"}).is_success
    line = next(all_lines(runtime.database, AuditFilter()))
    assert (line.action, line.actor, line.label) == ("backup.take", "ann", "the whole installation")
    assert line.after == {"bytes, about": 0}


def test_what_is_wrong_from_the_start_is_a_problem(runtime: Runtime) -> None:
    fill(runtime.database)
    with runtime.database.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
        connection.exec_driver_sql("DELETE FROM users")  # where there is one, one has to log in
    app = create_app(runtime)
    app.state.serving = None
    answer = TestClient(app, base_url="http://127.0.0.1:8000").get("/v1/backup")
    assert answer.status_code == 500
    assert answer.json()["code"] == "setup"
    assert "make a backup and run" in answer.json()["detail"]


class BreaksOff(httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        yield b"backup.json"
        raise httpx.RemoteProtocolError("peer closed connection without sending all of it")


def test_an_answer_that_breaks_off_is_told_as_that(tmp_path: Path) -> None:
    """A server that failed in the middle did answer; to look for another would help nobody."""
    answer = httpx.Response(200, stream=BreaksOff())
    http = httpx.Client(base_url="http://x", transport=httpx.MockTransport(lambda _: answer))
    with AkinClient("http://x", http=http) as client:
        chunks = client.backup()
        assert next(chunks) == b"backup.json"
        with pytest.raises(Unavailable, match="at http://x broke off in the middle: its log says"):
            next(chunks)


def test_a_server_of_which_a_part_is_away_is_asked_all_the_same() -> None:
    """It says itself what keeps it from making one, if anything does."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200 if request.url.path == "/healthz" else 503)

    http = httpx.Client(base_url="http://x", transport=httpx.MockTransport(answer))
    with AkinClient("http://x", http=http) as client:
        assert client.alive()
        assert not client.ready()
