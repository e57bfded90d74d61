"""Whoever sends much is known before it is read, and only so much is held at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backend.accounts import door, passwords, service, tokens
from backend.accounts.door import AT_ONCE, KnownFirst
from backend.accounts.roles import LOCAL_ADMIN
from backend.app import create_app
from backend.bodies import LISTS
from backend.runtime import Runtime

LIMIT = 10 * 2**20
UPLOAD = "/v1/search/upload"


READ = 0


def asked(app: Any, path: str, *headers: tuple[bytes, bytes], length: int = LIMIT) -> int:
    """The status of the answer to a POST; `READ` where its body was asked for."""
    said: list[dict[str, Any]] = []
    read: list[bool] = []

    async def receive() -> Any:
        read.append(True)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            (b"content-length", b"%d" % length),
            (b"content-type", b"multipart/form-data; boundary=x"),
            *headers,
        ],
        "client": ("203.0.113.7", 5000),
        "server": ("localhost", 80),
        "state": {},
    }
    asyncio.run(app(scope, receive, send))
    return READ if read else int(said[0]["status"])


@pytest.fixture
def key(runtime: Runtime) -> str:
    """Of a user of this server."""
    with runtime.database.write() as session:
        service.add(session, "ann", "admin", passwords.hashed("correct horse"), "local")
        user = service.named(session, "ann")
        return tokens.issue(session, user, "login", "admin", tokens.LOGIN_FOR)[1]


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("path", [UPLOAD, "/v1/triplets/import", "/v1/imports/1/files"])
def test_a_stranger_s_file_is_not_even_read(runtime: Runtime, path: str) -> None:
    app = create_app(runtime)
    assert asked(app, path, length=LISTS) == 401
    assert asked(app, path, (b"authorization", b"Bearer akl_wrong"), length=LISTS) == 401


def test_that_of_somebody_known_is(runtime: Runtime, key: str) -> None:
    carried = (b"authorization", f"Bearer {key}".encode())
    assert asked(create_app(runtime), UPLOAD, carried) == READ


def test_without_accounts_everybody_s_is(runtime: Runtime) -> None:
    assert asked(create_app(runtime), UPLOAD) == READ


@pytest.mark.usefixtures("key")
def test_a_small_body_is_left_to_the_route(runtime: Runtime) -> None:
    """Which asks nobody who logs in who they are."""
    assert asked(create_app(runtime), "/v1/login", length=100) == READ


def test_only_so_much_is_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def anybody(_: object) -> Any:
        return LOCAL_ADMIN

    monkeypatch.setattr(door, "actor_of", anybody)
    statuses: list[int] = []

    async def one_more(scope: Any, receive: Any, send: Any) -> None:
        """Asks for itself again while it is being answered, from a thread with its own loop."""
        statuses.append(await asyncio.to_thread(asked, app, UPLOAD))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    app = KnownFirst(one_more, LIMIT)
    assert asked(app, UPLOAD) == 200
    assert statuses == [503] + [200] * (AT_ONCE - 1)
    statuses.clear()
    assert asked(app, UPLOAD) == 200  # all of it was given back
    assert statuses == [503] + [200] * (AT_ONCE - 1)
