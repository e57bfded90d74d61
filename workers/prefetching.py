"""Work done by threads ahead of the one that needs it, in order and within bounds."""

from __future__ import annotations

import contextvars
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Self, TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


def decode_threads() -> int:
    """How many threads have pictures decoded: more than there are children to do it, so that none
    of them waits while a thread reads the next picture or puts away the last."""
    return min(18, 3 + (os.cpu_count() or 1))


def ahead(
    pool: Executor, make: Callable[[Given], Made], items: Iterable[Given], depth: int
) -> Generator[Made, None, None]:
    """`make` of each item, in order; at most `depth` results are under way or waiting.

    What is not begun when the consumer closes this is not begun at all.
    """
    waiting: deque[Future[Made]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) >= depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


class Behind:
    """One thread that finishes work behind the one that hands it over, a piece at a time.

    A piece that fails raises at the next `submit`, or at the end.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "behind")
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._wait()
        finally:
            self._pool.shutdown()

    def submit(self, work: Callable[[], None]) -> None:
        """Do `work` in the thread, once the piece before it is done."""
        self._wait()
        # With what the log lines and jobs of the one that hands it over are known by.
        self._last = self._pool.submit(contextvars.copy_context().run, work)

    def _wait(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            last.result()
