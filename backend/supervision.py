"""A child process that lives exactly as long as this one, and is started again if it dies."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence

import structlog

log = structlog.get_logger()

STEADY_SECONDS = 30.0
LONGEST_PAUSE = 30.0


class SupervisedChild:
    """Runs a command until `stop`. The child holds the read end of a pipe as its standard input and
    must end when that closes (`ui.serve` does), which also happens when this process is killed."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._name = name
        self._command = list(command)
        self._environment = dict(environment)
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name=f"supervise {name}", daemon=True)

    def start(self) -> None:
        """Start the child and watch over it."""
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End the child: by closing its pipe, then the hard way."""
        self._stopping.set()
        process = self._process
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join(timeout)

    def _run(self) -> None:
        pause = 1.0
        while not self._stopping.is_set():
            begun = time.monotonic()
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.PIPE,
                start_new_session=True,  # the terminal's Ctrl-C is for the parent, which ends it
            )
            code = self._process.wait()
            if self._stopping.is_set():
                return
            steady = time.monotonic() - begun > STEADY_SECONDS
            pause = 1.0 if steady else min(2 * pause, LONGEST_PAUSE)
            log.warning("child ended, starting it again", child=self._name, code=code, pause=pause)
            self._stopping.wait(pause)
