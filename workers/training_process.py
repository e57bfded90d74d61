"""The task's side of its child process: started, given works, listened to, asked to stop, ended."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

import structlog
from pydantic import ValidationError

import backend
from backend import clock
from backend.errors import Unavailable
from workers.training_spec import DO, LONGEST_LINE, REPORT, STOP, Ended, Refused, Report, Work

GRACE_SECONDS = 10.0
"""For the step, or the figures, that the child is at when it is asked to stop."""
TICK_SECONDS = 0.25

log = structlog.get_logger()


class ChildKilled(Unavailable):
    """The child was killed from outside: by a person, or by a system short of memory."""


class Child:
    """The child process of one task, which does the task's works one after the other.

    It starts with the first work and stays, since each start imports torch anew, which takes
    seconds. It is gone when the `with` ends, however that comes.
    """

    def __init__(self) -> None:
        self._process: _Process | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.end()

    def do(self, work: Work, stopping: Callable[[], bool]) -> Generator[Report | None, None, None]:
        """Do one work; its reports as they come, and None in every silence.

        stopping: looked at several times a second; once it is true the child is asked to stop, and
        killed where it has not ended the work within ten seconds. It is killed as well where the
        caller does not hear the work out. A child that died since the work before is replaced.

        Raises:
            ChildKilled: if somebody else killed the child in the midst of the work.
            RuntimeError: if it ended by a mistake of ours; its traceback is in the log.
        """
        process = self._living()
        try:
            yield from process.reports(work, stopping)
        finally:
            if process.is_busy:
                process.end()

    def _living(self) -> _Process:
        if self._process is not None and (code := self._process.code) is not None:
            log.warning("training child is gone, starting another", code=code)
            self._process.end()
            self._process = None
        if self._process is None:
            self._process = _Process()
        return self._process


class _Process:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "workers.training_child"],
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
        self.is_busy = False
        log.info("training child started", pid=self._process.pid)

    @property
    def code(self) -> int | None:
        """With what it ended; None while it lives."""
        return self._process.poll()

    def reports(self, work: Work, stopping: Callable[[], bool]) -> Iterator[Report | None]:
        self.is_busy, self._asked = True, None
        self._say(DO + work.model_dump_json().encode() + b"\n")
        while self.is_busy:
            if stopping():
                self._stop()
            try:
                said = self._said.get(timeout=TICK_SECONDS)
            except queue.Empty:
                yield None
                continue
            if said is None:
                self._look_at_the_end()
                return
            self.is_busy = not isinstance(said, Ended | Refused)
            yield said

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
            self._say(STOP)
        elif clock.monotonic() - self._asked > GRACE_SECONDS and not self._killed:
            log.warning("training child does not stop, killing it", pid=self._process.pid)
            self._killed = True
            self._process.kill()

    def _say(self, line: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        with suppress(BrokenPipeError):  # its end is looked at where its reports end
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _read(self, pipe: IO[bytes]) -> None:
        while line := pipe.readline(LONGEST_LINE):
            try:
                self._said.put(REPORT.validate_json(line))
            except ValidationError:
                log.warning("training child said nonsense", line=line[:200])
        self._said.put(None)

    def _look_at_the_end(self) -> None:
        code = self._process.wait()
        if self._killed:
            return
        if code < 0:
            raise ChildKilled(
                f"The process that trains was ended by signal {-code}, perhaps for want of "
                "memory: make room, or train with a smaller batch."
            )
        raise RuntimeError(f"the training child ended with {code}")
