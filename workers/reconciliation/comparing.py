"""Two sorted streams side by side: what reconciliation is made of. Pure, and flat in memory.

Neither stream is ever whole in memory, so a million images cost no more of it than a page of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

Row = TypeVar("Row")
Left = TypeVar("Left")
Right = TypeVar("Right")


class OutOfOrder(Exception):
    """A stream was not sorted by its keys: what it said cannot be relied on."""


def side_by_side(
    left: Iterable[tuple[str, Left]], right: Iterable[tuple[str, Right]]
) -> Iterator[tuple[str, Left | None, Right | None]]:
    """Every key of either stream once, in order, with its value on each side or None.

    Raises:
        OutOfOrder: if the keys of a stream do not grow.
    """
    lefts, rights = _growing(left), _growing(right)
    one, other = next(lefts, None), next(rights, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None  # noqa: S101 - for mypy: not both are over
            yield one[0], one[1], None
            one = next(lefts, None)
        elif one is None or other[0] < one[0]:
            yield other[0], None, other[1]
            other = next(rights, None)
        else:
            yield one[0], one[1], other[1]
            one, other = next(lefts, None), next(rights, None)


def paged(
    page: Callable[[str | None], Sequence[Row]], key: Callable[[Row], str]
) -> Iterator[tuple[str, Row]]:
    """All rows with their keys; `page` gives the next that come after a key, none at the end."""
    after = None
    while rows := page(after):
        for row in rows:
            after = key(row)
            yield after, row


def in_batches(items: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """The items in lists of `size`, the last one shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _growing(stream: Iterable[tuple[str, Row]]) -> Iterator[tuple[str, Row]]:
    last = None
    for key, row in stream:
        if last is not None and key <= last:
            raise OutOfOrder(f"{key} came after {last}")
        last = key
        yield key, row
