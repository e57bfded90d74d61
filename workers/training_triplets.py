"""The catalogue's accepted triplets, as trainings read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from backend.catalogue.tables import Image, Product
from backend.feedback.tables import Triplet


@dataclass(frozen=True)
class AcceptedTriplet:
    """A triplet of the catalogue that was reviewed; split: that of both its products."""

    reference: str
    target: str
    captions: tuple[str, ...]
    split: str


def accepted_triplets(session: Session, sources: Sequence[str]) -> list[AcceptedTriplet]:
    """The accepted triplets of the catalogue from these sources, of products of one split both.

    The sentences of a pair come together. Those that say "not this" are none to train on, and those
    about an uploaded picture have no product that could be in the snapshot.
    """
    shown, meant = aliased(Image), aliased(Image)
    reference, target = aliased(Product), aliased(Product)
    rows = session.execute(
        select(reference.sku, target.sku, target.split, Triplet.caption)
        .select_from(Triplet)
        .join(shown, shown.id == Triplet.reference_image_id)
        .join(meant, meant.id == Triplet.target_image_id)
        .join(reference, reference.id == shown.product_id)
        .join(target, target.id == meant.product_id)
        .where(Triplet.state == "accepted", Triplet.is_target.is_(True))
        .where(Triplet.source.in_(sources))
        .where(reference.split == target.split, reference.id != target.id)
        .order_by(reference.sku, target.sku, Triplet.number)
    )
    captions: dict[tuple[str, str, str], dict[str, None]] = {}
    for one, other, split, caption in rows:
        captions.setdefault((one, other, split), {})[caption] = None
    return [
        AcceptedTriplet(one, other, tuple(said), split)
        for (one, other, split), said in captions.items()
    ]
