"""The children of a decode pool: started, counted, ended."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from backend.encoding.decode_process import (
    ChildGone,
    ChildOverdue,
    ChildStopped,
    DecodeProcess,
)
from backend.encoding.decode_turns import shut_down
from backend.errors import Unavailable


class Children:
    """Starts children with the same `ChildLimits`, and knows those that live; for any thread."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self._limits = limits
        # Children die with the thread that started them: this one lives as long as the pool.
        self._thread = ThreadPoolExecutor(1, "decoder")
        self._lock = threading.Lock()  # guards everything below
        self._all: set[DecodeProcess] = set()
        self.closed = False

    def start(self) -> DecodeProcess:
        """A child that is ready; raises Unavailable once closed, and where none starts."""
        try:
            try:
                return self._greeted()
            except ChildGone:  # killed from outside
                return self._greeted()
        except (OSError, RuntimeError, ChildGone, ChildStopped, ChildOverdue) as error:
            raise self._failed() from error

    def end(self, child: DecodeProcess | None) -> None:
        """End a child that is not being asked; None, or one that has ended, is ignored."""
        if child is not None:
            with self._lock:
                self._all.discard(child)
            child.end()

    def pids(self) -> list[int]:
        """The process ids of those that live."""
        with self._lock:
            return [child.pid for child in self._all if child.alive]

    def close(self) -> None:
        """Kill all of them; each is still to be ended by who has it."""
        with self._lock:
            self.closed = True
            for child in self._all:
                child.kill()
        self._thread.shutdown()

    def _greeted(self) -> DecodeProcess:
        child = self._thread.submit(DecodeProcess, self._limits).result()
        with self._lock:
            self._all.add(child)
        try:
            child.greet()
        except BaseException:
            self.end(child)
            raise
        return child

    def _failed(self) -> Unavailable:
        if self.closed:
            return shut_down()
        return Unavailable(
            "No picture can be decoded, because the process that does it does not start: free "
            "some memory, or see what `python -m backend.encoding.decode_child` says."
        )
