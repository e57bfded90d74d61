"""The task's side of its child process: started, listened to, asked to stop, ended."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import structlog
from pydantic import ValidationError

import backend
from backend import clock
from backend.errors import Unavailable
from workers.training_child import STOP
from workers.training_spec import LONGEST_LINE, REPORT, Report

GRACE_SECONDS = 10.0
"""For the step, or the figures, that the child is at when it is asked to stop."""
TICK_SECONDS = 0.25

log = structlog.get_logger()


class ChildKilled(Unavailable):
    """The child was killed from outside: by a person, or by a system short of memory."""


def reports_of(work: Path, stopping: Callable[[], bool]) -> Generator[Report | None, None, None]:
    """Do the work in a child process; its reports as they come, and None in every silence.

    stopping: looked at several times a second; once it is true the child is asked to stop, and
    killed where it has not ended within ten seconds. The child is gone when this ends, however.

    Raises:
        ChildKilled: if somebody else killed the child.
        RuntimeError: if it ended by a mistake of ours; its traceback is in the log.
    """
    child = _Child(work)
    try:
        yield from child.reports(stopping)
    finally:
        child.end()


class _Child:
    def __init__(self, work: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "workers.training_child", str(work)],
            cwd=Path(backend.__file__).parents[1],
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        self._said: queue.Queue[Report | None] = queue.Queue()
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), name="training child", daemon=True
        )
        self._reader.start()
        self._asked: float | None = None
        self._killed = False
        log.info("training child started", pid=self._process.pid)

    def reports(self, stopping: Callable[[], bool]) -> Iterator[Report | None]:
        while True:
            if stopping():
                self._stop()
            try:
                said = self._said.get(timeout=TICK_SECONDS)
            except queue.Empty:
                yield None
                continue
            if said is None:
                break
            yield said
        self._look_at_the_end()

    def end(self) -> None:
        """Kill it if it still lives, and give back what it held here."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _stop(self) -> None:
        if self._asked is None:
            self._asked = clock.monotonic()
            assert self._process.stdin is not None  # noqa: S101 - asked for above
            with suppress(BrokenPipeError):
                self._process.stdin.write(STOP)
                self._process.stdin.flush()
        elif clock.monotonic() - self._asked > GRACE_SECONDS and not self._killed:
            log.warning("training child does not stop, killing it", pid=self._process.pid)
            self._killed = True
            self._process.kill()

    def _read(self, pipe: IO[bytes]) -> None:
        while line := pipe.readline(LONGEST_LINE):
            try:
                self._said.put(REPORT.validate_json(line))
            except ValidationError:
                log.warning("training child said nonsense", line=line[:200])
        self._said.put(None)

    def _look_at_the_end(self) -> None:
        code = self._process.wait()
        if code == 0 or self._killed:
            return
        if code < 0:
            raise ChildKilled(
                f"The process that trains was ended by signal {-code}, perhaps for want of "
                "memory: make room, or train with a smaller batch."
            )
        raise RuntimeError(f"the training child ended with {code}")
