"""A PostgreSQL of a test's own, on a free port, which can be restarted: never the machine's."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psycopg
import pytest

from tests.end_to_end.server import free_port

PLACES = "/usr/lib/postgresql"
"""Where Debian keeps the programs of each version, which are not in the path."""
UNPRIVILEGED = "postgres"
"""PostgreSQL refuses to run as root: there it runs as this user."""
_START_SECONDS = 60


@dataclass
class PostgresProcess:
    """A server over a folder of its own; a context manager that has it running."""

    port: int = field(default_factory=free_port)

    def __enter__(self) -> Self:
        self._programs = _programs()
        # Not in a test's folder: only its owner may look into that.
        self._folder = Path(tempfile.mkdtemp(prefix="akin-postgres-"))
        if os.geteuid() == 0:
            shutil.chown(self._folder, UNPRIVILEGED, UNPRIVILEGED)
        self._run("initdb", "--pgdata", str(self._data), "--auth", "trust", "-U", "postgres")
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._control("stop", "immediate")
        shutil.rmtree(self._folder)

    @property
    def url(self) -> str:
        """Of its one database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def restart(self) -> None:
        """End it as a crash would, and start it again: it recovers from its log."""
        self._control("stop", "immediate")
        self._start()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "-D", str(self._data), "-l", log, "-o", options)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.url, connect_timeout=3).close()
                return
            time.sleep(0.1)
        pytest.fail((self._folder / "log").read_text())

    def _control(self, verb: str, mode: str) -> None:
        self._run("pg_ctl", verb, "-D", str(self._data), "-m", mode)

    def _run(self, program: str, *words: str) -> None:
        user = [f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups"]
        prefix = ["setpriv", *user] if os.geteuid() == 0 else []
        command = [*prefix, str(self._programs / program), *words]
        # Not captured: the server would keep the pipe, and nobody would ever see its end.
        done = subprocess.run(
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False
        )
        assert done.returncode == 0, f"{program} ended with {done.returncode}"


def _programs() -> Path:
    """The folder of the newest version's programs; skips the test where there is none."""
    if (found := shutil.which("initdb")) is not None:
        return Path(found).parent
    versions = sorted(Path(PLACES).glob("*/bin/initdb"), key=lambda one: int(one.parts[-3]))
    if not versions:
        pytest.skip("no initdb here to make a PostgreSQL of its own with")
    return versions[-1].parent
