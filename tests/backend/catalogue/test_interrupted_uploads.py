"""Uploads that stall, break off or come too late, over a real connection: nothing is kept."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from sqlalchemy import select

from backend.catalogue import imports
from backend.catalogue.import_routes import router
from backend.catalogue.schemas import FileClaim, ImportCreate
from backend.jobs import service as jobs
from backend.jobs.tables import ImportFile
from backend.runtime import Runtime
from tests.api import api_of

DATA = b"a picture" * 10_000
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def port(runtime: Runtime) -> Iterator[int]:
    """The port of a real server that takes imports."""
    app = api_of(runtime, router)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def claimed(runtime: Runtime) -> str:
    """An import that waits for DATA."""
    claim = FileClaim(name="a.jpg", sha256=SHA256, size=len(DATA))
    with runtime.database.write() as session:
        job_id = imports.open_import(session, runtime.queue, ImportCreate(), "ann").id
        imports.claim_files(session, job_id, [claim], 10**9)
    return job_id


def begin(port: int, job_id: str) -> socket.socket:
    """The first half of an upload, sent."""
    sender = socket.create_connection(("127.0.0.1", port), timeout=30)
    head = (
        f"PUT /v1/imports/{job_id}/files/{SHA256} HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{port}\r\nContent-Length: {len(DATA)}\r\n"
        "Connection: close\r\n\r\n"
    )
    sender.sendall(head.encode() + DATA[: len(DATA) // 2])
    return sender


def answer(sender: socket.socket) -> tuple[int, dict[str, str]]:
    """Status and problem, read until the server closes the connection."""
    head, _, body = b"".join(iter(lambda: sender.recv(65536), b"")).partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body) if body else {}


def is_received(runtime: Runtime) -> bool:
    with runtime.database.read() as session:
        return any(session.scalars(select(ImportFile.received)))


def asides(runtime: Runtime) -> list[str]:
    return [path.name for path in (runtime.settings.home / "blobs" / "aside").glob("*")]


def wait_until(runtime: Runtime, *, written: bool) -> None:
    """Until the server writes the file aside, or has done away with it."""
    deadline = time.monotonic() + 30
    while bool(asides(runtime)) is not written:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_sender_that_falls_silent_is_given_up(runtime: Runtime, port: int) -> None:
    runtime.settings.upload_silence_seconds = 0.2
    with begin(port, claimed(runtime)) as sender:
        status, told = answer(sender)
    assert (status, told["code"]) == (408, "too-slow")
    assert told["detail"] == (
        "Nothing came of the file for 0.2 seconds, so it was given up: send it again."
    )
    assert not runtime.blobs.staged(SHA256)
    assert asides(runtime) == []
    assert not is_received(runtime)


def test_a_connection_that_breaks_off_leaves_nothing(runtime: Runtime, port: int) -> None:
    job_id = claimed(runtime)
    with begin(port, job_id):
        wait_until(runtime, written=True)
    wait_until(runtime, written=False)
    assert not runtime.blobs.staged(SHA256)
    assert not is_received(runtime)
    url = f"http://127.0.0.1:{port}/v1/imports/{job_id}"
    assert httpx.put(f"{url}/files/{SHA256}", content=DATA).status_code == 204
    assert httpx.post(f"{url}/start").status_code == 202


def finish(sender: socket.socket) -> tuple[int, dict[str, str]]:
    sender.sendall(DATA[len(DATA) // 2 :])
    return answer(sender)


def cancel(runtime: Runtime, job_id: str) -> None:
    with runtime.database.write() as session:
        jobs.cancel(session, job_id)


def test_what_comes_for_an_import_that_was_cancelled_meanwhile_is_not_kept(
    runtime: Runtime, port: int
) -> None:
    job_id = claimed(runtime)
    with begin(port, job_id) as sender:
        wait_until(runtime, written=True)
        cancel(runtime, job_id)
        status, told = finish(sender)
    assert (status, told["detail"]) == (
        409,
        f"Import {job_id} is cancelled and takes no more files: open another.",
    )
    assert not runtime.blobs.staged(SHA256)


def test_it_is_kept_if_another_import_waits_for_it(runtime: Runtime, port: int) -> None:
    job_id = claimed(runtime)
    with begin(port, job_id) as sender:
        wait_until(runtime, written=True)
        claimed(runtime)
        cancel(runtime, job_id)
        assert finish(sender)[0] == 409
    assert runtime.blobs.read_staged(SHA256) == DATA
