"""Products that triplets join are held out together, and the same ones each time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from backend.catalogue.tables import Product
from backend.database import Database
from backend.errors import Conflict
from backend.feedback.holding_out import Component, chosen, components, hold_out
from backend.feedback.listing import summary
from backend.feedback.schemas import HeldOut, HoldOut
from backend.feedback.service import review
from backend.jobs.broker import Queue
from tests.backend.catalogue.stock import embed_jobs, gallery, revisions
from tests.backend.feedback.stock import say, stocked, triplets

PAIRS = st.lists(
    st.tuples(st.none() | st.sampled_from("ABCDEFGH"), st.sampled_from("ABCDEFGH")), max_size=20
)


@given(PAIRS)
def test_components_part_the_products_and_no_pair_crosses_them(pairs) -> None:
    found = components(pairs)
    skus = [sku for one in found for sku in one.skus]
    assert sorted(skus) == sorted({sku for pair in pairs for sku in pair if sku})
    where = {sku: one for one in found for sku in one.skus}
    for first, second in pairs:
        assert where[first or second] is where[second]
    assert sum(one.triplets for one in found) == len(pairs)


@given(PAIRS, st.integers(-3, 20), st.randoms(use_true_random=False))
def test_the_choice_fits_and_does_not_depend_on_the_order(pairs, wanted, random) -> None:
    found = components(pairs)
    taken = chosen(found, wanted)
    assert sum(one.triplets for one in taken) <= max(wanted, 0)
    random.shuffle(found)
    assert chosen(found, wanted) == taken


def test_a_large_component_is_passed_over() -> None:
    large, small = Component(("A", "B"), 9), Component(("C", "D"), 1)
    assert chosen([large, small], 3) == [small]


def accepted(database: Database, queue: Queue) -> None:
    """Ten pairs of products that nothing joins."""
    skus = [f"S{number:02}" for number in range(20)]
    stocked(database, *skus)
    for first, second in zip(skus[::2], skus[1::2], strict=True):
        say(database, first, "in red", second)
    with database.write() as session:
        review(session, queue, list(triplets(database)), "accepted", "max")


def splits(database: Database) -> dict[str, str]:
    with database.read() as session:
        return dict(session.execute(select(Product.sku, Product.split)).all())


def test_a_share_is_held_out_with_its_products(database: Database, queue: Queue) -> None:
    with database.write() as session:
        gallery(session)
    accepted(database, queue)
    with database.write() as session:
        told = hold_out(session, queue, HoldOut(split="val", share=0.3))
    assert told == HeldOut(products=6, triplets=3, accepted=10)
    moved = {sku for sku, split in splits(database).items() if split == "val"}
    assert {f"S{int(sku[1:]) ^ 1:02}" for sku in moved} == moved, "both of each pair"
    assert sorted(revisions(database).values()) == [1] * 14 + [2] * 6, "their points are stale"
    assert embed_jobs(database) == ["gallery-a"]
    with database.read() as session:
        assert summary(session).accepted_splits == {"train": 7, "val": 3}


def test_what_is_held_out_counts_and_the_other_split_is_left_alone(
    database: Database, queue: Queue
) -> None:
    accepted(database, queue)
    for split in ("val", "test", "val"):
        with database.write() as session:
            hold_out(session, queue, HoldOut(split=split, share=0.3))
    with database.read() as session:
        assert summary(session).accepted_splits == {"train": 4, "val": 3, "test": 3}


def test_a_mixed_group_is_brought_together(database: Database, queue: Queue) -> None:
    accepted(database, queue)
    with database.write() as session:
        session.scalars(select(Product).where(Product.sku == "S00")).one().split = "val"
    with database.read() as session:
        assert summary(session).accepted_splits == {"train": 9, "mixed": 1}
    with database.write() as session:
        told = hold_out(session, queue, HoldOut(split="val", share=0.1))
    assert told == HeldOut(products=1, triplets=1, accepted=10)
    assert splits(database)["S01"] == "val"


def test_nothing_accepted_and_everything_joined_are_told(database: Database, queue: Queue) -> None:
    with (
        database.write() as session,
        pytest.raises(Conflict, match="No triplet is accepted yet: accept some"),
    ):
        hold_out(session, queue, HoldOut())
    skus = [f"S{number:02}" for number in range(11)]
    stocked(database, *skus)
    for other in skus[1:]:
        say(database, skus[0], "in red", other)
    with database.write() as session:
        review(session, queue, list(triplets(database)), "accepted", "max")
        with pytest.raises(Conflict, match="no group of them is as small as 2 triplets"):
            hold_out(session, queue, HoldOut(share=0.2))
