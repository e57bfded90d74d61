"""Triplets by the split of their products, found from its small side.

A triplet's split is that of its products (DESIGN, Decision 13) and is kept nowhere: to ask the
products of 100,000 triplets one by one took seconds. But few products are held out: their images
are listed first, and one index holds all else that is asked of a triplet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from sqlalchemy import CTE, ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from backend.catalogue.tables import Image, Product
from backend.feedback.schemas import TripletSplit
from backend.feedback.tables import Triplet

HELD_OUT = ("val", "test")

Conditions = Sequence[ColumnElement[bool]]


def numbers_in(split: TripletSplit, where: Conditions) -> Select[Any]:
    """A selection of number and score of the triplets of a split that meet conditions on them."""
    sides = _Sides(*([split] if split in HELD_OUT else HELD_OUT))
    columns = (Triplet.number, Triplet.score)
    chosen = sides.held(*columns) if split in HELD_OUT else sides.every(*columns)
    return chosen.where(sides.are(split), *_met(where))


def counted(session: Session, where: Conditions) -> dict[TripletSplit, int]:
    """How many triplets that meet conditions are in each split; splits of none are left out."""
    sides = _Sides(*HELD_OUT)
    splits: tuple[TripletSplit, ...] = get_args(TripletSplit)
    counts = sides.every(*(func.count().filter(sides.are(split)) for split in splits))
    found = session.execute(counts.where(*_met(where))).one()
    return {split: count for split, count in zip(splits, found, strict=True) if count}


class _Sides:
    """Triplets, with what is held out of their two images beside them."""

    def __init__(self, *splits: str) -> None:
        held = _images_of(splits)
        self._reference, self._target = held.alias("reference"), held.alias("target")
        self._of_target = self._target.c.id == Triplet.target_image_id

    def are(self, split: TripletSplit) -> ColumnElement[bool]:
        """That a triplet is in a split; an uploaded picture is in none."""
        reference, target = self._reference.c.split, self._target.c.split
        if split == "train":
            return and_(target.is_(None), reference.is_(None))
        if split == "mixed":
            catalogued = Triplet.reference_image_id.is_not(None)
            return and_(catalogued, target.is_distinct_from(reference))
        return and_(target == split, or_(Triplet.reference_image_id.is_(None), reference == split))

    def held(self, *columns: Any) -> Select[Any]:
        """Those whose target is held out."""
        chosen = select(*columns).select_from(self._target).join(Triplet, self._of_target)
        return self._with_references(chosen)

    def every(self, *columns: Any) -> Select[Any]:
        """All of them."""
        chosen = select(*columns).select_from(Triplet).outerjoin(self._target, self._of_target)
        return self._with_references(chosen)

    def _with_references(self, chosen: Select[Any]) -> Select[Any]:
        return chosen.outerjoin(self._reference, self._reference.c.id == Triplet.reference_image_id)


def _images_of(splits: Sequence[str]) -> CTE:
    chosen = select(Image.id, Product.split).join(Product, Product.id == Image.product_id)
    return chosen.where(Product.split.in_(splits)).cte("held").prefix_with("MATERIALIZED")


def _met(where: Conditions) -> list[ColumnElement[bool]]:
    """The conditions in a form for which SQLite looks at no index of theirs.

    Any such index would lead to the rows, one by one; that of targets holds all that is asked.
    """
    return [and_(*where).is_(True)] if where else []
