"""Triplets by the split of their products, found from its small side.

A triplet's split is that of its products (DESIGN, Decision 13) and is kept nowhere: to ask all
products of 100,000 triplets for it took seconds. But few products are held out. So their images are
listed first, and indexes tell the triplets that touch them; the others are trained on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from backend.catalogue.tables import Image, Product
from backend.feedback.schemas import TripletSplit
from backend.feedback.tables import BY_REFERENCE, BY_TARGET, Triplet

_HELD_OUT = ("val", "test")
_MIXED = literal("mixed")


def numbers_in(split: TripletSplit, where: Sequence[ColumnElement[bool]]) -> Any:
    """A selection of number and score of the triplets of a split that meet conditions on them."""
    columns = (Triplet.number, Triplet.score)
    sides = _Sides(split) if split in _HELD_OUT else _Sides(*_HELD_OUT)
    if split == "train":
        return sides.neither(*columns).where(*where)
    if split == "mixed":
        apart = sides.target_held(*columns).where(~sides.alike, *where)
        return union_all(apart, sides.reference_alone(*columns).where(*where))
    return sides.target_held(*columns).where(sides.alike, *where)


def counted(session: Session, where: Sequence[ColumnElement[bool]]) -> dict[str, int]:
    """How many triplets that meet conditions are in each split; splits of none are left out."""
    sides = _Sides(*_HELD_OUT)
    count = func.count()
    split = case((sides.alike, sides.target.c.split), else_=_MIXED)
    found = sides.target_held(split, count).where(*where).group_by(split)
    crossing = sides.reference_alone(_MIXED, count).where(*where)
    everywhere = select(literal("train"), count).select_from(Triplet).where(*where)
    counts: Counter[str] = Counter()
    for name, number in session.execute(union_all(found, crossing, everywhere)):
        counts[name] += number
    counts["train"] -= sum(number for name, number in counts.items() if name != "train")
    return {name: number for name, number in counts.items() if number}


class _Sides:
    """Selections from triplets by which of their two images are of products held out.

    Hints say which index is meant: SQLite knows nothing of how many rows each would give.
    """

    def __init__(self, *splits: str) -> None:
        held = _images_of(splits)
        self.reference, self.target = held.alias("reference"), held.alias("target")
        self._of_reference = self.reference.c.id == Triplet.reference_image_id
        self._of_target = self.target.c.id == Triplet.target_image_id
        none = Triplet.reference_image_id.is_(None)
        same = func.coalesce(self.reference.c.split, "") == self.target.c.split
        self.alike: ColumnElement[bool] = or_(none, same)
        """That both products of a triplet are in one split; an uploaded picture is in none."""

    def target_held(self, *columns: Any) -> Select[Any]:
        """Those whose target is held out."""
        chosen = select(*columns).select_from(self.target).join(Triplet, self._of_target)
        return _using(chosen.outerjoin(self.reference, self._of_reference), BY_TARGET)

    def reference_alone(self, *columns: Any) -> Select[Any]:
        """Those whose reference is held out, and the target is not."""
        chosen = select(*columns).select_from(self.reference).join(Triplet, self._of_reference)
        chosen = chosen.outerjoin(self.target, self._of_target).where(self.target.c.id.is_(None))
        return _using(chosen, BY_REFERENCE)

    def neither(self, *columns: Any) -> Select[Any]:
        """Those with nothing held out."""
        chosen = select(*columns).select_from(Triplet).outerjoin(self.target, self._of_target)
        chosen = chosen.outerjoin(self.reference, self._of_reference)
        return chosen.where(self.target.c.id.is_(None), self.reference.c.id.is_(None))


def _images_of(splits: Sequence[str]) -> CTE:
    chosen = select(Image.id, Product.split).join(Product, Product.id == Image.product_id)
    return chosen.where(Product.split.in_(splits)).cte("held").prefix_with("MATERIALIZED")


def _using(chosen: Select[Any], index: str) -> Select[Any]:
    return chosen.with_hint(Triplet, f"INDEXED BY {index}", "sqlite")
