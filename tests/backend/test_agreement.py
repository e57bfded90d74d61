"""Who compares SQL, blobs and galleries: the server that holds them, or the command itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import uvicorn

from backend import agreement
from backend.agreement import Agreement, compare
from backend.app import create_app
from backend.commands.serving import listen
from backend.data_folder import hold
from backend.errors import SetupError
from backend.jobs import lease, service
from backend.jobs.schemas import ReconcileRequest
from backend.runtime import Runtime
from tests.end_to_end.server import free_port
from workers.app import bodies
from workers.execution import execute

LOOK = ReconcileRequest(mend=False)
HERE = Agreement({"images": 3, "lost": 0}, ())


@pytest.fixture
def url(runtime: Runtime) -> Iterator[str]:
    """A server that answers, with nobody who works."""
    app = create_app(runtime)
    app.state.serving = "ready"
    listening = listen("127.0.0.1", 0, "--port")
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    with hold(runtime.settings.home):
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def jobs(runtime: Runtime) -> list[str]:
    with runtime.database.read() as session:
        return [job.id for job in service.list_jobs(session, kind="reconcile").items]


def ask(runtime: Runtime, url: str, step=lambda *_: None) -> Agreement | None:
    return compare(runtime.settings, url, LOOK, lambda *_: HERE, step)


def test_the_server_that_holds_the_folder_does_it(runtime: Runtime, url: str) -> None:
    stages = []

    def work_on_it(stage: str, *_: object) -> None:
        stages.append(stage)
        for job_id in jobs(runtime):
            execute(runtime, "reconcile", bodies()["reconcile"], job_id, threading.Event())

    found = ask(runtime, url, work_on_it)
    assert found == Agreement({"images": 0, "points": 0, "blobs": 0, "lost": 0}, ())
    assert stages[0] == "waiting"


def test_a_job_that_nobody_takes_is_given_up(
    runtime: Runtime, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreement, "UNTAKEN_SECONDS", 0)
    with pytest.raises(SetupError, match="No worker took the job within 0 seconds: see that one"):
        ask(runtime, url)
    with runtime.database.read() as session:
        assert service.get(session, jobs(runtime)[0]).state == "cancelled"


def test_a_job_that_fails_is_told(runtime: Runtime, url: str) -> None:
    def fail(*_: object) -> None:
        with runtime.database.write() as session:
            for job_id in jobs(runtime):
                lease.claim(session, job_id, "worker")
                lease.fail(service.get(session, job_id), "The blob store is away.")

    with pytest.raises(SetupError, match=r"The blob store is away\."):
        ask(runtime, url, fail)


def test_a_job_that_somebody_cancels_is_told(runtime: Runtime, url: str) -> None:
    def cancel(*_: object) -> None:
        with runtime.database.write() as session:
            for job_id in jobs(runtime):
                service.cancel(session, job_id)

    with pytest.raises(SetupError, match="was cancelled: start it again"):
        ask(runtime, url, cancel)


def test_where_no_server_holds_the_folder_it_is_done_here(runtime: Runtime) -> None:
    runtime.galleries.close()
    assert ask(runtime, f"http://127.0.0.1:{free_port()}") == HERE
