"""Cursors are opaque, and only Akin's own are taken."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidInput
from backend.paging import decode_cursor, decode_number, decode_place, encode_cursor
from backend.whole_numbers import LARGEST


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


@pytest.mark.parametrize("number", [0, 10**9, LARGEST])
def test_any_number_that_a_row_can_have_is_taken(number):
    assert decode_number(encode_cursor([number])) == number


@pytest.mark.parametrize("number", [LARGEST + 1, 10**17, "9" * 5000, -1, "1.0", "", "²"])
def test_a_number_that_no_row_can_have_is_refused(number):
    with pytest.raises(InvalidInput, match="leave it away to start from the first page"):
        decode_number(encode_cursor([number]))
