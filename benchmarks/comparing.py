"""Two ways to the same result, side by side in one run."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

TURNS = 3
COLUMNS = ("what", "published, s", "ours, s", "times", "at least", "published, MB", "ours, MB",
           "agreement")  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One thing to be done in two ways. goal: how many times as fast ours is to be; agreed: in
    words, from both results; memory: whether what both allocate (numpy's part) is measured."""

    what: str
    goal: float
    theirs: Callable[[], Any]
    ours: Callable[[], Any]
    agreed: Callable[[Any, Any], str]
    memory: bool = False
    turns: int = TURNS


def compared(item: Item) -> tuple[object, ...]:
    """A row of the table: medians of turns, taken in turns after one that is not counted."""
    agreement = item.agreed(item.theirs(), item.ours())
    peaks = [_peak(way) for way in (item.theirs, item.ours)] if item.memory else ["", ""]
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(item.turns):
        for way, seconds in zip((item.theirs, item.ours), taken, strict=True):
            seconds.append(_seconds(way))
    theirs, ours = median(taken[0]), median(taken[1])
    return (item.what, theirs, ours, theirs / ours, item.goal, *peaks, agreement)


def _seconds(way: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    way()
    return time.perf_counter() - begun


def _peak(way: Callable[[], Any]) -> float:
    """MB that numpy and Python hold at most, besides what was there before."""
    tracemalloc.start()
    try:
        way()
        return tracemalloc.get_traced_memory()[1] / 1024**2
    finally:
        tracemalloc.stop()
