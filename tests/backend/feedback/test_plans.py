"""No question about many triplets reads a whole table where an index should serve."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import product
from typing import Any, get_args

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.database import Database
from backend.errors import Conflict
from backend.feedback.holding_out import hold_out
from backend.feedback.listing import find_triplet, ids_to_review, list_triplets, summary
from backend.feedback.schemas import (
    HoldOut,
    ReviewRequest,
    TripletFilter,
    TripletOrder,
    TripletUpdate,
)
from backend.feedback.service import Said, change, record, review
from backend.feedback.tables import Triplet
from backend.jobs.broker import Queue
from tests.backend.catalogue.hundred_thousand import seed
from tests.backend.catalogue.plans import asked, plans, read_whole
from tests.backend.feedback.hundred_thousand import add_triplets

pytestmark = pytest.mark.long

TRIPLETS = 3000

Questions = dict[str, Callable[[Session], object]]

FILTERS: dict[str, dict[str, Any]] = {
    "all": {},
    "candidates": {"state": "candidate"},
    "candidates with a score": {"state": "candidate", "score_at_least": 0.0},
    "imported": {"source": "import"},
    "imported candidates": {"state": "candidate", "source": "import"},
    "good": {"score_at_least": 0.8},
    "bad": {"score_below": 0.1},
    "not this": {"is_target": False},
    "train": {"split": "train"},
    "val": {"split": "val"},
    "mixed": {"split": "mixed"},
    "accepted train": {"state": "accepted", "split": "train"},
    "imported val": {"split": "val", "source": "import"},
    "accepted mixed": {"state": "accepted", "split": "mixed"},
}


@pytest.fixture
def shop(database: Database) -> Database:
    """As many triplets as products."""
    seed(database, TRIPLETS)
    add_triplets(database, TRIPLETS)
    return database


def lists(shop: Database) -> Questions:
    """First and second pages, in every order."""
    found: Questions = {}
    for (name, fields), order in product(FILTERS.items(), get_args(TripletOrder)):
        wanted = TripletFilter(**fields)
        with shop.read() as session:
            cursor = list_triplets(session, wanted, order=order, limit=1).next_cursor
        assert cursor, f"{name}: add more triplets"
        found[f"list {name}, {order}"] = _listing(wanted, order)
        found[f"next page {name}, {order}"] = _listing(wanted, order, cursor)
    return found


def other_questions(shop: Database, queue: Queue) -> Questions:
    with shop.read() as session:
        accepted = select(Triplet).where(Triplet.state == "accepted").order_by(Triplet.number)
        one, *more = session.scalars(accepted.limit(40))
    ids = [each.id for each in more]
    said = Said("in red", one.target_image_id, reference_image_id=more[0].target_image_id)
    reviews = {f"ids to review, {name}": _to_review(fields) for name, fields in FILTERS.items()}
    return {
        **reviews,
        "summary": summary,
        "one": lambda session: find_triplet(session, one.id),
        "said again": lambda session: record(session, said, "ann"),
        "edit": lambda session: change(
            session, queue, one.id, TripletUpdate(caption="in dark red"), "max"
        ),
        "review": lambda session: review(session, queue, ids, "rejected", "max"),
        "hold out": lambda session: _hold_out(session, queue),
    }


def _hold_out(session: Session, queue: Queue) -> None:
    with suppress(Conflict):
        hold_out(session, queue, HoldOut(split="val", share=0.9))


def _listing(
    wanted: TripletFilter, order: TripletOrder, cursor: str | None = None
) -> Callable[[Session], object]:
    return lambda session: list_triplets(session, wanted, order=order, cursor=cursor)


def _to_review(fields: dict[str, Any]) -> Callable[[Session], object]:
    asked_for = ReviewRequest(state="rejected", filter=TripletFilter(**fields))
    return lambda session: ids_to_review(session, asked_for)


_COUNTS = {"train", "mixed", "accepted train", "accepted mixed"}
"""Filters for which the products of all triplets count: that is done over an index alone."""
_READ_ON = {"all", "not this", "good"}
"""Filters that nothing narrows: counted over an index alone, read on until the page is full."""


def test_lists_read_no_large_table_whole(shop: Database) -> None:
    whole = _whole(shop, lists(shop))
    right = {
        (f"{page} {name}, {order}", "triplets")
        for page, names in (("list", _COUNTS | _READ_ON), ("next page", _COUNTS))
        for name, order in product(names, get_args(TripletOrder))
    }
    assert whole <= right, whole - right


def test_other_questions_read_no_large_table_whole(shop: Database, queue: Queue) -> None:
    whole = _whole(shop, other_questions(shop, queue))
    right = {(f"ids to review, {name}", "triplets") for name in _COUNTS} | {("summary", "triplets")}
    assert whole <= right, whole - right


def test_counts_by_split_read_an_index_alone(shop: Database) -> None:
    if not shop.is_sqlite:
        pytest.skip("PostgreSQL chooses by what it knows of the rows")
    statements = asked(shop, summary)
    scans = [
        line
        for _, plan in plans(shop, statements)
        for line in plan.splitlines()
        if line.startswith("SCAN triplets")
    ]
    assert scans
    assert all("USING COVERING INDEX" in line for line in scans), scans


def _whole(shop: Database, questions: Questions) -> set[tuple[str, str]]:
    return {
        (name, table)
        for name, question in questions.items()
        for table in read_whole(shop, asked(shop, question))
    }
