"""The server profile as it really runs: Redis, a stand-in for Qdrant, PostgreSQL, the migration,
the API, any number of workers, and beat, each a process of its own that can be killed.

    with ServerProfile(folder, workers=2) as profile:
        profile.akin("ingest", "products.csv")
        profile.kill("worker-1")
        profile.start("worker-1")
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import pytest
import redis

from backend.client import AkinClient
from backend.database import Database
from backend.gallery.opening import open_store
from backend.gallery.port import GalleryStore
from tests import qdrant_standin, warm
from tests.conftest import scratch_postgres
from tests.end_to_end.postgres_process import PostgresProcess
from tests.end_to_end.server import free_port

REPOSITORY = Path(__file__).parents[2]
LOG_LINES = 40
START_SECONDS = 300  # so long only where many things run on few cores
LANES = "io,embed,train,beat"


@dataclass
class ServerProfile:
    """All processes of one installation, on free ports, over folders below `folder`.

    The processes are redis, standin, api (and api-2 to api-n), worker-1 to worker-n, and beat.
    `settings` are further environment variables for Akin's own.
    """

    folder: Path
    workers: int = 1
    apis: int = 1
    settings: dict[str, str] = field(default_factory=dict)
    own_postgres: PostgresProcess | None = None
    """A server that lives already, in place of a database in the one that tests share."""
    running: dict[str, subprocess.Popen[bytes] | warm.Process] = field(
        default_factory=dict, init=False
    )

    def __post_init__(self) -> None:
        if shutil.which("redis-server") is None:
            pytest.skip("no redis-server to run")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ports = {name: free_port() for name in ("redis", "standin", *self.api_names)}
        self._stack = ExitStack()
        self.database_url = ""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if self.own_postgres is None:
                self.database_url = stack.enter_context(scratch_postgres())
            else:
                self.database_url = self.own_postgres.url
            stack.callback(self._end)
            self.start()
            self._stack = stack.pop_all()  # from here on they live until the block ends
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # What there is

    @property
    def url(self) -> str:
        """The first API's."""
        return self.url_of("api")

    def url_of(self, api: str) -> str:
        return f"http://127.0.0.1:{self._ports[api]}"

    @property
    def gallery_url(self) -> str:
        return f"http://127.0.0.1:{self._ports['standin']}"

    @property
    def broker_url(self) -> str:
        return f"redis://127.0.0.1:{self._ports['redis']}/0"

    @property
    def blob_folder(self) -> Path:
        return self.folder / "blobs"

    @property
    def api_names(self) -> list[str]:
        return ["api", *(f"api-{number}" for number in range(2, self.apis + 1))]

    @property
    def worker_names(self) -> list[str]:
        return [f"worker-{number}" for number in range(1, self.workers + 1)]

    @property
    def names(self) -> list[str]:
        """All processes, in the order they are started in."""
        return ["redis", "standin", *self.api_names, *self.worker_names, "beat"]

    def client(self, api: str = "api") -> AkinClient:
        return AkinClient(self.url_of(api))

    def galleries(self) -> GalleryStore:
        """The vector store, as any other process of Akin sees it."""
        return open_store(self.gallery_url, self.folder)

    def database(self) -> Database:
        """The SQL database; close it after use."""
        return Database(self.database_url)

    def environment(self, name: str) -> dict[str, str]:
        """The settings of one process; only the home folder is its own."""
        return {
            **os.environ,
            "AKIN_HOME": str(self.folder / "homes" / name),
            "AKIN_DATABASE_URL": self.database_url,
            "AKIN_GALLERY_URL": self.gallery_url,
            "AKIN_BROKER_URL": self.broker_url,
            "AKIN_BLOB_URL": self.blob_folder.as_uri(),
            "AKIN_PORT": str(self._ports.get(name, self._ports["api"])),
            "AKIN_URL": self.url,
            **self.settings,
        }

    # What can be done

    def start(self, *names: str) -> None:
        """Start the named processes, by default all, after a migration; wait until they answer."""
        wanted = names or tuple(self.names)
        services = [name for name in wanted if name in ("redis", "standin")]
        for name in services:
            self._spawn(name)
        for name in services:
            self._wait_for(name, self._answers(name))
        if not names:
            self.migrate()
        akin = [name for name in wanted if name not in services]
        for name in akin:
            self._spawn(name)
        for name in akin:
            self._wait_for(name, self._answers(name))

    def migrate(self) -> None:
        """The one-shot that brings the tables to this version."""
        done = self._run([sys.executable, "-m", "backend.migrating"])
        assert done.returncode == 0, done.stderr

    def kill(self, *names: str) -> None:
        """kill -9 of all of them at one moment."""
        for name in names:
            self.running[name].send_signal(signal.SIGKILL)
        for name in names:
            self.running.pop(name).wait()

    def stop(self, *names: str, seconds: float = 60) -> dict[str, int]:
        """SIGTERM to the named processes, by default all, in an order that loses nothing; their
        exit codes."""
        wanted = names or tuple(reversed(self.names))
        codes: dict[str, int] = {}
        for name in wanted:
            if process := self.running.pop(name, None):
                process.send_signal(signal.SIGTERM)
                codes[name] = process.wait(seconds)
        return codes

    def akin(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """An `akin` command against this installation."""
        return self._run([sys.executable, "-m", "backend.cli", *arguments])

    def log(self, name: str) -> str:
        """What a process said, over all its starts."""
        path = self._log_path(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def story(self) -> str:
        """The last lines of every log: what a failing test has to show."""
        parts = []
        for name in self.names:
            process = self.running.get(name)
            state = "stopped" if process is None else f"exit code {process.poll()}"
            last = self.log(name).splitlines()[-LOG_LINES:]
            parts.append("\n".join([f"--- {name} ({state})", *last]))
        return "\n".join(parts)

    def wait_until(self, condition: Callable[[], object], seconds: float = 90) -> None:
        """Until the condition holds; fails with what every process said."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"not so after {seconds:.0f} seconds\n{self.story()}")
            time.sleep(0.05)

    # How

    def _end(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()

    def _spawn(self, name: str) -> None:
        assert name not in self.running, f"{name} runs already"
        with self._log_path(name).open("ab") as log:
            command, environment = self._command(name), self.environment(name)
            if name in {"redis", "standin"}:
                self.running[name] = subprocess.Popen(
                    command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            else:
                self.running[name] = warm.start(
                    command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log
                )

    def _command(self, name: str) -> list[str]:
        if name == "redis":
            return self._redis()
        if name == "standin":
            return qdrant_standin.command(self.folder / "qdrant", port=self._ports["standin"])
        if name in self.api_names:
            return [sys.executable, "-m", "backend.cli", "up", "--no-ui"]
        celery = [sys.executable, "-m", "celery", "--quiet", "-A"]
        if name == "beat":
            schedule = ["--schedule", str(self.folder / "beat"), "--pidfile", ""]
            return [*celery, "workers.beat", "beat", *schedule]
        lanes = ["-P", "threads", "-Q", LANES, "-c", "2", "-n", f"{name}@akin"]
        return [*celery, "workers.server", "worker", *lanes]

    def _redis(self) -> list[str]:
        data = self.folder / "redis"
        data.mkdir(exist_ok=True)
        options = {
            "--port": str(self._ports["redis"]),
            "--bind": "127.0.0.1",
            "--dir": str(data),
            "--save": "",
            "--appendonly": "yes",
            "--maxmemory-policy": "noeviction",
        }
        return ["redis-server", *(word for option in options.items() for word in option)]

    def _answers(self, name: str) -> Callable[[], bool]:
        if name == "redis":
            return self._redis_answers
        if name in self.api_names:
            return lambda: self._api_answers(name)
        return self._standin_answers if name == "standin" else lambda: True

    def _redis_answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.broker_url) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def _standin_answers(self) -> bool:
        try:
            return httpx.get(f"{self.gallery_url}/readyz").is_success
        except httpx.TransportError:
            return False

    def _api_answers(self, name: str) -> bool:
        with self.client(name) as client:
            return client.ready()

    def _wait_for(self, name: str, answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not answers():
            ended = self.running[name].poll() is not None
            if ended or time.monotonic() > deadline:
                pytest.fail(f"{name} did not start\n{self.story()}")
            time.sleep(0.05)

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return warm.run(command, cwd=REPOSITORY, env=self.environment("commands"))

    def _log_path(self, name: str) -> Path:
        return self.folder / f"{name}.log"
