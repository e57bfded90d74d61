"""Searches take turns: a few at once, the others in the order they came, not more than may wait."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from backend.errors import InvalidInput, Unavailable
from backend.search.turns import Turns


class Work:
    """Work that lasts until it is let go, and notes who did it."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.at_once = self.most_at_once = 0
        self.two_run = threading.Event()
        self.may_end = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, number: int) -> int:
        with self._lock:
            self.started.append(number)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            if self.at_once == 2:
                self.two_run.set()
        assert self.may_end.wait(30)
        with self._lock:
            self.at_once -= 1
        return number


def test_a_few_run_at_once_and_the_others_in_the_order_they_came() -> None:
    turns, work = Turns(threads=2, waiting=20), Work()

    async def ask() -> list[int]:
        asked = [asyncio.ensure_future(turns.take(partial(work, n))) for n in range(12)]
        await asyncio.to_thread(work.two_run.wait, 30)
        work.may_end.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(ask()) == list(range(12))
    assert work.most_at_once == 2
    assert sorted(work.started[:2]) == [0, 1]
    assert all(abs(number - place) <= 1 for place, number in enumerate(work.started))
    turns.close()


def test_more_than_may_wait_are_turned_away_until_there_is_room() -> None:
    turns, work = Turns(threads=1, waiting=2), Work()

    async def ask() -> int:
        asked = [asyncio.ensure_future(turns.take(partial(work, n))) for n in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as refused:
            await turns.take(lambda: work(3))
        assert refused.value.sentence == (
            "3 searches are waiting for their turn already: try again in a few seconds."
        )
        work.may_end.set()
        assert await asyncio.gather(*asked) == [0, 1, 2]
        return await turns.take(lambda: work(4))

    assert asyncio.run(ask()) == 4
    turns.close()


def test_an_error_reaches_its_own_caller_and_gives_the_turn_back() -> None:
    turns = Turns(threads=1, waiting=0)

    def fail() -> None:
        raise InvalidInput("The query is odd.")

    async def ask() -> str:
        for _ in range(3):
            with pytest.raises(InvalidInput, match="odd"):
                await turns.take(fail)
        return await turns.take(lambda: "answered")

    assert asyncio.run(ask()) == "answered"
    turns.close()


def test_once_closed_it_says_so() -> None:
    turns = Turns(threads=1, waiting=1)
    turns.close()
    with pytest.raises(Unavailable, match="shut down: start Akin again"):
        asyncio.run(turns.take(lambda: None))
