"""What is the same for every adapter: the order by score, then id; pages; scores by id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Protocol

import numpy as np

from backend.gallery.port import Hit, Payload, Vector

MOST = 10_000  # points of one search: where more are alike, which of them come is left open


def ordered_window(nearest: Callable[[int], list[Hit]], offset: int, limit: int) -> list[Hit]:
    """Hits offset to offset+limit of the order by score, then id.

    `nearest(n)` gives the n best in any order among equals. Engines break ties as they please, so
    a tie across the window's end is read to its end before it is sorted; pages then never repeat
    or miss a point.
    """
    end = offset + limit
    if limit < 1:
        return []
    wanted = end + 1
    hits = nearest(wanted)
    while len(hits) == wanted < MOST and hits[-1].score == hits[end - 1].score:
        wanted = min(2 * wanted, MOST)
        hits = nearest(wanted)
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))[offset:end]


def next_page(
    found: Iterable[tuple[str, Payload]], after: str | None, limit: int
) -> dict[str, Payload]:
    """The first `limit` of what an engine found from `after` on, without `after` itself."""
    return dict(islice(((i, payload) for i, payload in found if i != after), limit))


class Scored(Protocol):
    """A point with its score, as every engine gives it."""

    @property
    def id(self) -> object: ...

    @property
    def score(self) -> float: ...


def scores_by_id(answers: Sequence[Iterable[Scored]]) -> dict[str, Vector]:
    """The scores (k,) of each point in the answers to k searches over the same points.

    One that was deleted between two of them is left out.
    """
    scores = [{str(one.id): one.score for one in answer} for answer in answers]
    everywhere = set.intersection(*map(set, scores)) if scores else set()
    return {i: np.array([one[i] for one in scores], dtype=np.float32) for i in everywhere}
