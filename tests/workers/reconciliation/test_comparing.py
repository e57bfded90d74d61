"""Two sorted streams side by side say the same as two dictionaries would."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.reconciliation.comparing import OutOfOrder, in_batches, paged, side_by_side

keys = st.text("0123456789abcdef-", min_size=1, max_size=4)
tables = st.dictionaries(keys, st.integers(), max_size=30)


@given(tables, tables)
def test_every_key_of_either_side_comes_once_with_both_values(left, right):
    pairs = list(side_by_side(sorted(left.items()), sorted(right.items())))
    assert pairs == [(key, left.get(key), right.get(key)) for key in sorted({*left, *right})]


@given(tables, tables)
def test_mending_what_is_on_one_side_only_leaves_nothing_to_mend(rows, points):
    mended = dict(points)
    for key, row, point in side_by_side(sorted(rows.items()), sorted(points.items())):
        if row is None:
            del mended[key]
        elif point is None:
            mended[key] = row
    again = side_by_side(sorted(rows.items()), sorted(mended.items()))
    assert [key for key, row, point in again if row is None or point is None] == []


@given(tables, st.integers(1, 7))
def test_pages_and_batches_lose_nothing(table, size):
    rows = sorted(table)

    def page(after):
        return [key for key in rows if after is None or key > after][:size]

    streamed = list(paged(page, key=str))
    assert streamed == [(key, key) for key in rows]
    batches = list(in_batches(streamed, size))
    assert list(chain.from_iterable(batches)) == streamed
    assert all(len(batch) == size for batch in batches[:-1])


@given(st.lists(keys, min_size=2, max_size=8).filter(lambda found: found != sorted(set(found))))
def test_a_stream_that_is_not_sorted_is_not_relied_on(found):
    with pytest.raises(OutOfOrder):
        list(side_by_side(((key, 1) for key in found), []))


def test_no_stream_is_read_ahead_of_the_other():
    """What keeps memory flat: of each stream one thing is taken for one that is given."""
    taken = []

    def stream():
        for number in range(1000):
            taken.append(number)
            yield f"{number:04}", number

    pairs = side_by_side(stream(), stream())
    for _ in range(10):
        next(pairs)
    assert len(taken) <= 2 * 11
