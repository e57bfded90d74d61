"""A real server: `akin up` as a process of its own, on free ports, over a folder of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from backend.client import AkinClient
from tests import warm

START_SECONDS = 240  # so long only where many things run on few cores


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Server:
    """One `akin up`; it can be killed and started again on the same folder and ports.

    As a context it is started, and killed in the end if it has not been stopped.
    """

    home: Path
    options: tuple[str, ...] = ("--no-ui",)
    port: int = field(default_factory=free_port)
    ui_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | warm.Process | None = None
    log: Path | None = None
    """The folder of its log, if not the one that holds the data folder."""
    prefix: tuple[str, ...] = ()
    """What is put before the command, to take rights from it."""
    cold: bool = False
    """Whether it starts in an interpreter of its own, as for a user (see `tests.warm`)."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self.__exit__)
            self.start()
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        begin = subprocess.Popen if self.cold or self.prefix else warm.start
        with self.log_file.open("ab") as log:
            self.process = begin(
                [*self.akin, "up", "--home", str(self.home), "--port", str(self.port),
                 "--ui-port", str(self.ui_port), *self.options],
                stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        with AkinClient(self.url) as client:
            while not client.ready():
                assert self.process.poll() is None, self.log_file.read_text()
                assert time.monotonic() < deadline, "the server did not become ready"
                time.sleep(0.1)

    @property
    def akin(self) -> list[str]:
        return [*self.prefix, sys.executable, "-m", "backend.cli"]

    @property
    def log_file(self) -> Path:
        return (self.log or self.home.parent) / "server.log"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """An `akin` command against this server."""
        environment = {**os.environ, "AKIN_URL": self.url}
        if self.prefix:
            return subprocess.run(
                [*self.akin, *arguments],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        return warm.run([*self.akin, *arguments], env=environment)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)
