"""From a query vector to the products of a window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from backend.composition.composer import RESCORED_CANDIDATES, ComposedQuery, Rescorer
from backend.gallery.filters import Filter
from backend.gallery.port import SCORE_DECIMALS, Gallery, Hit
from backend.search.windows import Group

WINDOW_IMAGES = 500
PAYLOAD_KEYS = ("product",)  # all that grouping needs; reading whole payloads takes twice as long


def nearest(
    gallery: Gallery, query: ComposedQuery, only: Filter, excluded: Sequence[str]
) -> list[Hit]:
    """The window of a query: its best 500 images, best first, equal scores by id.

    With a re-scorer, its best 500 among the 1,000 nearest to the query's vector (Decision 2).
    """
    count = WINDOW_IMAGES if query.rescorer is None else RESCORED_CANDIDATES
    found = gallery.search(
        query.vector, filter=only, limit=count, exclude_products=excluded, keys=PAYLOAD_KEYS
    )
    if query.rescorer is None:
        return found
    return _rescored(gallery, query.rescorer, found)[:WINDOW_IMAGES]


def grouped(hits: Iterable[Hit]) -> tuple[Group, ...]:
    """Hits, best first, as products: each in the place and with the score of its best image."""
    best: dict[str, Hit] = {}
    matched: dict[str, int] = {}
    for hit in hits:
        product_id = hit.payload["product"]
        best.setdefault(product_id, hit)
        matched[product_id] = matched.get(product_id, 0) + 1
    return tuple(
        Group(product_id, hit.id, hit.score, matched[product_id])
        for product_id, hit in best.items()
    )


def _rescored(gallery: Gallery, rescorer: Rescorer, found: Sequence[Hit]) -> list[Hit]:
    # By the gallery, since fetching a thousand vectors would take longer than the search.
    similar = gallery.similarities([rescorer.image, rescorer.text], [hit.id for hit in found])
    kept = [hit for hit in found if hit.id in similar]  # the others were deleted meanwhile
    if not kept:
        return []
    scores = rescorer.fuse(np.stack([similar[hit.id] for hit in kept]))
    rescored = [
        Hit(hit.id, round(float(score), SCORE_DECIMALS), hit.payload)
        for hit, score in zip(kept, scores, strict=True)
    ]
    return sorted(rescored, key=lambda hit: (-hit.score, hit.id))
