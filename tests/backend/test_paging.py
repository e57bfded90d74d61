"""Cursors are opaque, and only Akin's own are taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidInput
from backend.paging import decode_cursor, encode_cursor


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_a_cursor_gives_back_what_went_in(values):
    assert decode_cursor(encode_cursor(values), len(values)) == values


@given(st.text(max_size=40))
def test_anything_else_is_refused_in_a_sentence(text):
    with pytest.raises(InvalidInput, match="leave it away to start from the first page"):
        decode_cursor(text, 7)
