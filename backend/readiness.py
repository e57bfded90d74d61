"""Whether this process can do its work now: each part asked by itself, and not for long.

A part that hangs keeps one thread and no more: while the last question about it is unanswered it is
not asked again, and the end of the process does not wait for it. Answers are kept for a second, so
that any number of probes costs the parts one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Thread

from backend import clock
from backend.errors import AkinError, Unavailable
from backend.migrating import check
from backend.outages import OUTAGES, told
from backend.runtime import Runtime

Check = Callable[[], object]

PART_SECONDS = 3.0
KEPT_SECONDS = 1.0


class Readiness:
    """The parts of one process that have to answer before it is ready."""

    def __init__(self, checks: Mapping[str, Check], seconds: float = PART_SECONDS) -> None:
        self._checks = checks
        self._seconds = seconds
        self._asked: dict[str, Future[str | None]] = {}
        self._found: dict[str, str] = {}
        self._found_at: float | None = None
        self._one_at_a_time = asyncio.Lock()

    async def failures(self) -> dict[str, str]:
        """What is wrong, by part, in a sentence each; empty if it is ready."""
        async with self._one_at_a_time:
            if self._found_at is None or clock.monotonic() - self._found_at >= KEPT_SECONDS:
                self._found = await self._look()
                self._found_at = clock.monotonic()
            return self._found

    async def check(self) -> None:
        """Nothing, if every part answers.

        Raises:
            Unavailable: that names each part that does not, and why.
        """
        found = await self.failures()
        if found:
            raise Unavailable(" ".join(f"{part}: {why}" for part, why in found.items()))

    async def _look(self) -> dict[str, str]:
        for part, check_part in self._checks.items():
            before = self._asked.get(part)
            if before is None or before.done():
                self._asked[part] = _ask(part, check_part)
        waiting = [asyncio.wrap_future(future) for future in self._asked.values()]
        if waiting:
            await asyncio.wait(waiting, timeout=self._seconds)
        return {part: why for part in self._checks if (why := self._answer(part)) is not None}

    def _answer(self, part: str) -> str | None:
        future = self._asked[part]
        if not future.done():
            return f"It did not answer within {self._seconds:g} seconds."
        return future.result()


def checks_of(runtime: Runtime) -> dict[str, Check]:
    """What an API process stands on, besides the model that it has loaded."""
    checks: dict[str, Check] = {
        "database": runtime.database.ping,
        "migrations": lambda: check(runtime.database),
        "gallery": runtime.galleries.names,
    }
    return checks if runtime.settings.embedded else checks | {"broker": runtime.queue.ping}


def _ask(part: str, check_part: Check) -> Future[str | None]:
    """The answer to come, from a thread that nothing waits for: those of a pool are joined when the
    interpreter ends, however long they hang."""
    answer: Future[str | None] = Future()

    def ask() -> None:
        try:
            answer.set_result(_asked(check_part))
        except BaseException as error:  # noqa: BLE001 - raised where the answer is read
            answer.set_exception(error)

    Thread(target=ask, name=f"readiness of {part}", daemon=True).start()
    return answer


def _asked(check_part: Check) -> str | None:
    """What is wrong with a part, or None."""
    try:
        check_part()
    except AkinError as error:
        return error.sentence
    except OUTAGES as error:
        outage = told(error)
        return outage.sentence if outage else "It does not answer."
    return None
