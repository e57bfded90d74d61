"""One order for every adapter: score descending, then id."""

from __future__ import annotations

from collections.abc import Callable

from backend.gallery.port import Hit


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
    while len(hits) == wanted and hits[-1].score == hits[end - 1].score:
        wanted *= 2
        hits = nearest(wanted)
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))[offset:end]
