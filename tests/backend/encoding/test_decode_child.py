"""A child's own bound on its processor time: for each picture, however many there were before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict

import psutil
import pytest

from backend.encoding.decode_process import ChildStopped, DecodeProcess
from backend.encoding.decoding import DecodeLimits
from tests.backend.encoding import hostile
from tests.backend.encoding.hostile import noise, saved

MiB = 1024 * 1024
RENDER = {"task": "render", "name": "it", "limits": asdict(DecodeLimits()), "large": False}
PATIENT = 120.0  # seconds of the parent's clock, which is not to be what ends a child here


@pytest.fixture
def start() -> Iterator[Callable[[float], DecodeProcess]]:
    """Children with so many seconds of processor time a picture."""
    started: list[DecodeProcess] = []

    def one(seconds: float) -> DecodeProcess:
        limits = {"memory": 1024 * MiB, "large_memory": 1024 * MiB, "niceness": 0}
        started.append(DecodeProcess({**limits, "seconds": seconds}))
        started[-1].greet()
        return started[-1]

    yield one
    for child in started:
        child.end()


@pytest.mark.long
def test_the_kernel_ends_a_child_where_the_parents_clock_does_not(start) -> None:
    child = start(0.1)
    with pytest.raises(ChildStopped):
        child.ask(RENDER, hostile.many_scans(4000, 60_000), PATIENT, 16 * MiB)
    assert not child.alive


@pytest.mark.slow
def test_a_child_may_work_for_longer_than_a_picture_may_take(start) -> None:
    child, data = start(0.1), saved(noise(1200, 900), "JPEG")
    while sum(psutil.Process(child.pid).cpu_times()[:2]) < 4:
        assert child.ask(RENDER, data, PATIENT, 16 * MiB).header["width"] == 1200
