"""Two ways to the same result, side by side in one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from benchmarks.alone import alone

TURNS = 3
COLUMNS = ("what", "published, s", "ours, s", "times", "at least", "published anew, s",
           "ours anew, s", "times anew", "published, MB", "ours, MB", "agrees")  # fmt: skip
Way = Literal["theirs", "ours"]
WAYS: tuple[Way, Way] = ("theirs", "ours")
Row = tuple[object, ...]


@dataclass(frozen=True)
class Item:
    """One thing to be done in two ways.

    Attributes:
        goal: how many times as fast ours is to be.
        agreed: in words, from both results; raises where they are not the same.
        turns: of each way, besides a first one that is not counted.
        anew: makes the item again in a process of its own, where both are timed once more and
            their memory is measured; it is pickled, so it is a function of a module with its
            arguments.
    """

    what: str
    goal: float
    theirs: Callable[[], Any]
    ours: Callable[[], Any]
    agreed: Callable[[Any, Any], str]
    turns: int = TURNS
    anew: Callable[[], Item] | None = None


def within(apart: float, words: str, most: float = 1e-4) -> str:
    """How far both results are apart, in the words.

    Raises ValueError where that is too far, since then their times say nothing.
    """
    if not apart <= most:
        raise ValueError(f"Both ways have to come to the same, within {most:g}: {apart:g} apart.")
    return words.format(apart)


def compared(*items: Item) -> list[Row]:
    """A row of the table for each item: medians of turns, taken in turns.

    The items have the published way in common, which is taken once a turn for all of them.
    """
    first = items[0]
    found = first.theirs()
    agreements = [item.agreed(found, item.ours()) for item in items]
    ways = (first.theirs, *(item.ours for item in items))
    spent = [[_seconds(way) for way in ways] for _ in range(first.turns)]
    theirs, *ours = (median(way) for way in zip(*spent, strict=True))
    return [
        (item.what, theirs, mine, theirs / mine, item.goal, *_anew(item), agreement)
        for item, mine, agreement in zip(items, ours, agreements, strict=True)
    ]


def _anew(item: Item) -> Row:
    """Both times, their ratio and both memories, each turn in a process of its own."""
    if item.anew is None:
        return ("",) * 5
    spent = [[alone(item.anew, way) for way in WAYS] for _ in range(item.turns)]
    ways = list(zip(*spent, strict=True))
    theirs, ours = (median(one.seconds for one in way) for way in ways)
    return (theirs, ours, theirs / ours, *(max(one.megabytes for one in way) for way in ways))


def _seconds(way: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    way()
    return time.perf_counter() - begun
