"""The parent's side of one decoding child: started, asked, bounded in time, ended.

Nothing that a child sends is trusted: it digests hostile bytes, and may speak for them.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import backend
from backend.encoding.decode_frames import HEAD, MAX_HEADER, framed

START_SECONDS = 60.0  # a busy machine starts a child slowly; a healthy one in a fifth of a second
_AT_ONCE = 256 * 1024
_LAST_BREATH = 1.0  # seconds from the end of a child's answers to the end of the child
_F_SETPIPE_SZ = getattr(fcntl, "F_SETPIPE_SZ", None)
_PIPE_BYTES = 1024 * 1024  # most pictures pass in one piece; the usual 64 KiB hold few
_KEPT = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "LANG", "TMPDIR")  # of the environment


class ChildGone(Exception):
    """The child had ended before it got all of the request, or was killed from outside, by a
    person or by a system short of memory: the picture is not to blame."""


class ChildStopped(Exception):
    """The child crashed, or answered nonsense, while it worked on the request."""


class ChildOverdue(Exception):
    """The child did not answer in time."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A header that is a JSON object, and the bytes behind it."""

    header: dict[str, Any]
    payload: memoryview


class DecodeProcess:
    """One child. A caller at a time; after any exception the child is to be ended."""

    def __init__(self, limits: dict[str, Any]) -> None:
        """Start it with `ChildLimits`; raises OSError. `greet` it before it is asked."""
        given = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "backend.encoding.decode_child", json.dumps(limits)],
            cwd=Path(backend.__file__).parents[1],
            env={**given, "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        assert self._process.stdout is not None  # noqa: S101
        self._requests, self._answers = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._killed = False
        self.resident = 0  # bytes of memory, as it said last
        for pipe in (self._requests, self._answers):
            os.set_blocking(pipe, False)
            if _F_SETPIPE_SZ is not None:
                with suppress(OSError):  # the user has no room for large pipes left
                    fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE_BYTES)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def greet(self) -> None:
        """Wait until it is ready; raises ChildStopped, or ChildOverdue."""
        self._receive(0, monotonic() + START_SECONDS)

    def ask(self, header: dict[str, Any], data: bytes, seconds: float, max_payload: int) -> Reply:
        """Raises ChildGone, ChildStopped, also for more than `max_payload` bytes, ChildOverdue."""
        deadline = monotonic() + seconds
        try:
            self._send((framed(header, len(data)), data), deadline)
        except BrokenPipeError as error:
            raise ChildGone from error
        reply = self._receive(max_payload, deadline)
        told = reply.header.get("resident")
        self.resident = told if isinstance(told, int) else 0
        return reply

    def kill(self) -> None:
        """End it at once, from any thread: who waits for its answer gets ChildStopped."""
        self._killed = True
        self._process.kill()

    def end(self) -> None:
        """End it, if it has not, and give back what it held here; not while it is asked."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _send(self, parts: Iterable[bytes], deadline: float) -> None:
        views = [memoryview(part) for part in parts if part]
        while views:
            try:
                sent = os.writev(self._requests, views)
            except BlockingIOError:
                _wait(self._requests, select.POLLOUT, deadline)
                continue
            while views and sent >= len(views[0]):
                sent -= len(views.pop(0))
            if views:
                views[0] = views[0][sent:]

    def _receive(self, max_payload: int, deadline: float) -> Reply:
        room = bytearray(_AT_ONCE)  # mostly enough for all of it
        filled = self._fill(room, 0, HEAD.size, deadline)
        length, size = HEAD.unpack_from(room)
        start, total = HEAD.size + length, HEAD.size + length + size
        if length > MAX_HEADER or size > max_payload:
            raise ChildStopped
        room.extend(bytes(max(0, total - len(room))))
        if self._fill(room, filled, total, deadline) != total:
            raise ChildStopped
        try:
            header = json.loads(room[HEAD.size : start])
        except (ValueError, RecursionError) as error:
            raise ChildStopped from error
        if not isinstance(header, dict):
            raise ChildStopped
        return Reply(header, memoryview(room)[start:total])

    def _killed_by_others(self) -> bool:
        """No picture ends a child by this signal."""
        try:
            code = self._process.wait(_LAST_BREATH)
        except subprocess.TimeoutExpired:
            return False
        return code == -signal.SIGKILL and not self._killed

    def _fill(self, room: bytearray, filled: int, least: int, deadline: float) -> int:
        """Read until `least` bytes are there, and what comes with them; how many there are."""
        with memoryview(room) as view:
            while filled < least:
                _wait(self._answers, select.POLLIN, deadline)
                count = os.readv(self._answers, [view[filled:]])
                if not count:
                    raise ChildGone if self._killed_by_others() else ChildStopped
                filled += count
        return filled


def _wait(pipe: int, event: int, deadline: float) -> None:
    """Until the pipe is ready.

    Like reading and writing it lets go of the interpreter lock; as getting that back may take 5 ms
    beside a busy thread, a small picture costs three of these in all: write, wait, read.
    """
    poll = select.poll()
    poll.register(pipe, event)
    left = max(0.0, deadline - monotonic())
    if not poll.poll(left * 1000):
        raise ChildOverdue
