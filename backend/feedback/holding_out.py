"""Holding triplets out of training, so that no product is on both sides.

A triplet counts for a split only where both of its products are in it (DESIGN, Decision 13).
Products that accepted triplets join are therefore moved together.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.catalogue import service as catalogue
from backend.catalogue.schemas import BulkEdit
from backend.errors import Conflict
from backend.feedback.joining import ReferenceProduct, TargetProduct, joined
from backend.feedback.schemas import HeldOut, HoldOut
from backend.feedback.tables import Triplet
from backend.jobs.broker import Queue

AT_ONCE = 1_000
"""Products in one edit of the catalogue."""


@dataclass(frozen=True)
class Component:
    """Products that triplets join, by SKU, and how many triplets those are."""

    skus: tuple[str, ...]
    triplets: int

    @property
    def place(self) -> bytes:
        """Where it stands in an order that looks random and stays the same."""
        return hashlib.sha256(self.skus[0].encode()).digest()


def components(pairs: Iterable[tuple[str | None, str]]) -> list[Component]:
    """What pairs of SKUs join, in no order.

    A pair without its first is a triplet of an uploaded picture: of one product alone.
    """
    above: dict[str, str] = {}

    def root(sku: str) -> str:
        above.setdefault(sku, sku)
        while above[sku] != sku:
            above[sku] = above[above[sku]]
            sku = above[sku]
        return sku

    told = [(first or second, second) for first, second in pairs]
    for first, second in told:
        above[root(first)] = root(second)
    members: dict[str, list[str]] = defaultdict(list)
    for sku in above:
        members[root(sku)].append(sku)
    counts = Counter(root(second) for _, second in told)
    return [Component(tuple(sorted(skus)), counts[key]) for key, skus in members.items()]


def chosen(found: Sequence[Component], wanted: int) -> list[Component]:
    """Components of at most `wanted` triplets together, taken in a fixed order as they fit."""
    taken: list[Component] = []
    left = wanted
    for one in sorted(found, key=lambda one: one.place):
        if one.triplets <= left:
            taken.append(one)
            left -= one.triplets
    return taken


def hold_out(session: Session, queue: Queue, asked: HoldOut, actor: str = "akin") -> HeldOut:
    """Move products from training until the share of accepted triplets is held out.

    What is in the split already counts, and what is there in part comes first. Products move by
    the catalogue's own edit, so that the galleries follow.

    Raises:
        Conflict: if nothing is accepted, or what is accepted hangs together too much.
    """
    splits, pairs = _accepted(session)
    if not pairs:
        raise Conflict("No triplet is accepted yet: accept some, then hold a share out.")
    found = components(pairs)
    held = sum(one.triplets for one in found if _splits(one, splits) == {asked.split})
    wanted = ceil(asked.share * len(pairs)) - held
    movable = [one for one in found if _can_move(_splits(one, splits), asked.split)]
    moved: list[Component] = []
    for in_part in (True, False):
        left = wanted - sum(one.triplets for one in moved)
        part = [one for one in movable if (asked.split in _splits(one, splits)) == in_part]
        moved += chosen(part, left)
    if wanted > 0 and not moved:
        raise Conflict(
            f"Accepted triplets join their products so that no group of them is as small as "
            f"{wanted:,} triplets: hold out a larger share, or move products by hand."
        )
    ids = [splits[sku][0] for one in moved for sku in one.skus if splits[sku][1] != asked.split]
    for start in range(0, len(ids), AT_ONCE):
        edit = BulkEdit(product_ids=ids[start : start + AT_ONCE], split=asked.split)
        catalogue.bulk_edit(session, queue, edit, actor)
    return HeldOut(
        products=len(ids),
        triplets=held + sum(one.triplets for one in moved),
        accepted=len(pairs),
    )


def _can_move(splits: set[str], split: str) -> bool:
    return "train" in splits and splits <= {"train", split}


def _splits(one: Component, splits: dict[str, tuple[str, str]]) -> set[str]:
    return {splits[sku][1] for sku in one.skus}


def _accepted(
    session: Session,
) -> tuple[dict[str, tuple[str, str]], list[tuple[str | None, str]]]:
    """Id and split of each product by SKU, and the SKUs of both sides of each accepted triplet."""
    sides = (ReferenceProduct, TargetProduct)
    columns = [column for side in sides for column in (side.sku, side.id, side.split)]
    rows = joined(select(*columns)).where(Triplet.state == "accepted")
    splits: dict[str, tuple[str, str]] = {}
    pairs: list[tuple[str | None, str]] = []
    for first, first_id, first_split, second, second_id, second_split in session.execute(rows):
        splits[second] = (second_id, second_split)
        if first is not None:
            splits[first] = (first_id, first_split)
        pairs.append((first, second))
    return splits, pairs
