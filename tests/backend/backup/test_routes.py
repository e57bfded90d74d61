"""A backup over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import httpx
from fastapi.testclient import TestClient

from backend.accounts.actor import Actor, current_actor
from backend.app import create_app
from backend.audit.schemas import AuditFilter
from backend.audit.service import all_lines
from backend.backup.restoring import check_backup
from backend.client import AkinClient
from backend.runtime import Runtime
from tests.migrations.filling import fill


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
    app.dependency_overrides[current_actor] = lambda: Actor("ann", "admin")
    assert TestClient(app, base_url="http://127.0.0.1:8000").get("/v1/backup").is_success
    (line,) = all_lines(runtime.database, AuditFilter())
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
