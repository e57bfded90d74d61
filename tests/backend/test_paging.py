"""Cursors are opaque, and only Akin's own are taken."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidInput
from backend.paging import decode_cursor, decode_place, encode_cursor


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_a_cursor_gives_back_what_went_in(values):
    assert decode_cursor(encode_cursor(values), len(values)) == values


@given(st.datetimes(timezones=st.just(UTC)), st.text())
def test_a_place_in_time_is_exact_to_the_microsecond(moment, row_id):
    assert decode_place(encode_cursor([moment.isoformat(), row_id])) == (moment, row_id)


@given(st.text(max_size=40))
def test_anything_else_is_refused_in_a_sentence(text):
    with pytest.raises(InvalidInput, match="leave it away to start from the first page"):
        decode_cursor(text, 7)
