"""What is listed and counted by split is what each triplet's own products say."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import pytest
from sqlalchemy import select

from backend.database import Database
from backend.feedback.joining import joined, split_of_products
from backend.feedback.listing import ids_to_review, list_triplets, summary
from backend.feedback.schemas import ReviewRequest, TripletFilter, TripletSplit
from backend.feedback.tables import Triplet
from tests.backend.catalogue.hundred_thousand import seed
from tests.backend.feedback.hundred_thousand import add_triplets


@pytest.fixture
def shop(database: Database) -> Database:
    """Four hundred triplets, some of uploaded pictures."""
    seed(database, 200)
    add_triplets(database, 400)
    return database


@pytest.mark.parametrize("split", get_args(TripletSplit))
@pytest.mark.parametrize("state", ["accepted", None])
def test_a_split_lists_its_triplets(shop: Database, split, state) -> None:
    wanted = TripletFilter(split=split, state=state)
    told = joined(select(Triplet.id)).where(split_of_products == split)
    if state is not None:
        told = told.where(Triplet.state == state)
    found: list[str] = []
    with shop.read() as session:
        expected = list(session.scalars(told.order_by(Triplet.number.desc())))
        cursor = None
        while True:
            page = list_triplets(session, wanted, cursor=cursor, limit=7)
            found += [one.id for one in page.items]
            assert page.total == len(expected)
            cursor = page.next_cursor
            if cursor is None:
                break
    assert expected
    assert found == expected


@pytest.mark.parametrize("split", get_args(TripletSplit))
def test_a_review_takes_the_best_of_a_split(shop: Database, split) -> None:
    told = joined(select(Triplet.id)).where(split_of_products == split)
    told = told.where(Triplet.state == "candidate")
    best = told.order_by(Triplet.score.desc(), Triplet.number.desc())
    asked = ReviewRequest(state="accepted", filter=TripletFilter(split=split), limit=2)
    with shop.read() as session:
        expected = list(session.scalars(best))
        assert ids_to_review(session, asked) == (expected[:2], len(expected))


def test_the_summary_counts_what_is_accepted(shop: Database) -> None:
    told = joined(select(split_of_products)).where(Triplet.state == "accepted")
    with shop.read() as session:
        expected = Counter(session.scalars(told.where(Triplet.is_target.is_(True))))
        assert summary(session).accepted_splits == dict(expected)
        against = session.scalars(told.where(Triplet.is_target.is_(False))).all()
        assert summary(session).accepted_against == len(against)
