"""What a list finds although others change the triplets meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete

from backend.database import Database
from backend.errors import InvalidInput
from backend.feedback import listing
from backend.feedback.schemas import ReviewRequest, TripletFilter
from backend.feedback.tables import Triplet
from backend.paging import encode_cursor
from tests.backend.feedback.stock import say, stocked


@pytest.mark.parametrize("part", [(2**31, 7), (7, 9_999_999_999)])
def test_a_cursor_with_a_number_that_no_triplet_can_have_is_told(
    database: Database, part: tuple[int, int]
) -> None:
    cursor = encode_cursor(["newest", "0.5", *part])
    with (
        database.read() as session,
        pytest.raises(InvalidInput, match="not one that the list of triplets gave out"),
    ):
        listing.list_triplets(session, TripletFilter(), cursor=cursor)


def test_what_is_deleted_while_a_review_looks_is_neither_reviewed_nor_left(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked(database, "TEE", "HAT")
    first, second, third = (say(database, "TEE", text, "HAT") for text in ("a", "b", "c"))
    find = listing._first

    def then_one_goes(session: Any, *wanted: Any) -> Any:
        found = find(session, *wanted)
        session.execute(delete(Triplet).where(Triplet.id == second))
        return found

    monkeypatch.setattr(listing, "_first", then_one_goes)
    asked = ReviewRequest(state="accepted", filter=TripletFilter(), limit=2)
    with database.write() as session:
        assert listing.ids_to_review(session, asked) == ([third], 2)
    with database.write() as session:
        assert listing.ids_to_review(session, asked) == ([third, first], 2)
