"""The worker as a process of its own, over a real Redis and a real PostgreSQL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from backend.database import Database
from backend.jobs import lease, service
from backend.jobs.broker import Queue
from backend.jobs.schemas import FINISHED
from tests import services

pytestmark = pytest.mark.services


@pytest.fixture
def broker_url() -> Iterator[str]:
    """An empty Redis database."""
    with services.redis_url() as url:
        yield url


@pytest.fixture
def gallery_url() -> Iterator[str]:
    """What answers as a Qdrant server without a collection: these workers never fill one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"result": {"collections": []}}')

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def environment(
    postgres_database: Database, broker_url: str, gallery_url: str, tmp_path: Path
) -> dict[str, str]:
    """The settings of a server profile."""
    return os.environ | {
        "AKIN_HOME": str(tmp_path),
        "AKIN_DATABASE_URL": postgres_database.url,
        "AKIN_BROKER_URL": broker_url,
        "AKIN_GALLERY_URL": gallery_url,
    }


Start = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts `celery -A workers.server worker`; kills what is left at the end."""
    started: list[subprocess.Popen[str]] = []
    log = (tmp_path / "worker.log").open("w")

    def start_worker() -> subprocess.Popen[str]:
        options = ["worker", "-Q", "io,beat", "-P", "threads", "-c", "2"]
        command = [sys.executable, "-m", "celery", "-A", "workers.server", *options]
        started.append(
            subprocess.Popen(command, env=environment, stdout=log, stderr=log, text=True)
        )
        return started[-1]

    yield start_worker
    for worker in started:
        worker.kill()
        worker.wait()
    log.close()


def new(database: Database, queue: Queue) -> str:
    """An import without any file: the shortest job there is."""
    with database.write() as session:
        return service.create(session, queue, kind="ingest", actor="ann").id


def state(database: Database, job_id: str) -> str:
    with database.read() as session:
        return service.get(session, job_id).state


def wait_until_finished(database: Database, job_id: str, log: Path) -> None:
    pause = threading.Event()
    for _ in range(600):
        if state(database, job_id) in FINISHED:
            return
        pause.wait(0.1)
    pytest.fail(f"still {state(database, job_id)} after a minute:\n{log.read_text()[-3000:]}")


@pytest.mark.slow
def test_a_worker_takes_jobs_and_stops_gracefully(
    postgres_database: Database, broker_url: str, start: Start, tmp_path: Path
) -> None:
    queue = Queue(broker_url)
    worker = start()
    job_id = new(postgres_database, queue)
    wait_until_finished(postgres_database, job_id, tmp_path / "worker.log")

    with postgres_database.write() as session:
        lost = service.create(session, queue, kind="ingest", actor="ann").id
        lease.claim(session, lost, "a worker that is gone")
        lease.reclaim_all(session)
    queue.app.send_task("akin.sweep")
    wait_until_finished(postgres_database, lost, tmp_path / "worker.log")

    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0


@pytest.mark.long
def test_tables_of_another_version_stop_the_worker_with_a_sentence(
    scratch_postgres_url: str, environment: dict[str, str]
) -> None:
    behind = environment | {"AKIN_DATABASE_URL": scratch_postgres_url}
    command = [sys.executable, "-m", "celery", "-A", "workers.server", "worker"]
    done = subprocess.run(
        command, env=behind, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode != 0
    assert "run `python -m backend.migrating`" in done.stderr
