"""A few threads that work for all clients, first come, first served.

Python runs on one core at a time. With a thread for each of 64 clients every search is under way
for as long as all of them take; so a few run at once, and the others wait, in a line with an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from backend.errors import Unavailable

Answer = TypeVar("Answer")


class Turns:
    """Gives each piece of work its turn; belongs to the one event loop it is asked from."""

    def __init__(self, threads: int, waiting: int) -> None:
        """threads: how many pieces of work run at once. waiting: how many more may wait."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="search")
        self._most = threads + waiting
        self._taken = 0
        self._closed = False

    async def take(self, work: Callable[[], Answer]) -> Answer:
        """What `work` returns, called in a thread once it is its turn; raises what it raises, and
        Unavailable where too many wait already, or once closed."""
        if self._closed:
            raise Unavailable("The search is shut down: start Akin again and retry.")
        if self._taken >= self._most:
            raise Unavailable(
                f"{self._taken} searches are waiting for their turn already: "
                "try again in a few seconds."
            )
        self._taken += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._taken -= 1

    def close(self) -> None:
        """Wait for the work that runs, and start no more."""
        self._closed = True
        self._pool.shutdown()
