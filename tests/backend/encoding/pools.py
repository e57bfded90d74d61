"""Pools of decoding children for tests, and looks at what their children are at."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from backend.encoding.decode_pool import DecodePool
from backend.encoding.preprocessing import Preprocessing
from tests.backend.encoding import hostile

ROOT = Path(__file__).parents[3]
SEE = Preprocessing(size=32)


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    """Two children for those tests that leave them unharmed."""
    opened = DecodePool(2)
    yield opened
    opened.close()


@pytest.fixture
def make() -> Iterator[Callable[..., DecodePool]]:
    """Pools of a test's own, closed at its end."""
    made: list[DecodePool] = []

    def start(*args, **options) -> DecodePool:
        made.append(DecodePool(*args, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def slow() -> bytes:
    """A picture that keeps its reader busy for minutes."""
    return hostile.many_scans(4000, 60_000)


def in_the_middle(pool: DecodePool, data: bytes) -> tuple[Future[NDArray[np.uint8]], int]:
    """A picture that a child is busy with, in a thread; the child is the only one there is."""
    thread = ThreadPoolExecutor(1)
    pool.warm_up()
    answer = thread.submit(pool.pixels, data, SEE, name="slow.jpg")
    thread.shutdown(wait=False)
    return answer, busy_child(pool, answer)


def busy_child(pool: DecodePool, answer: Future[NDArray[np.uint8]]) -> int:
    """The process id of the only child, once it has worked for a while."""
    before: dict[int, float] = {}
    while True:
        assert not answer.done()
        time.sleep(0.01)
        for pid in pool.children():
            with suppress(psutil.NoSuchProcess):
                spent = sum(psutil.Process(pid).cpu_times()[:2])
                if spent > before.setdefault(pid, spent) + 0.25:  # more than its start takes
                    return pid


def ended(pid: int) -> bool:
    """Within a few seconds; a zombie that nobody has waited for yet counts."""
    for _ in range(500):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False
