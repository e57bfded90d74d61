"""A window's rows as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.catalogue.schemas import ProductOut
from backend.search.reference import KeptReference
from backend.search.schemas import Reference, SearchHit, Share
from backend.search.windows import Group


def product_ids(groups: Sequence[Group], reference: KeptReference | None) -> list[str]:
    """The products that an answer shows: those found, and the reference's."""
    found = [group.product_id for group in groups]
    if reference is not None and reference.product_id is not None:
        found.append(reference.product_id)
    return found


def hits(
    groups: Sequence[Group],
    offset: int,
    products: Mapping[str, ProductOut],
    shares: Mapping[str, Share],
) -> list[SearchHit]:
    """The groups that SQL still knows, each with its rank in the whole window."""
    return [
        SearchHit(
            rank=rank,
            score=group.score,
            product=products[group.product_id],
            image_id=group.image_id,
            matched_images=group.matched_images,
            share=shares.get(group.image_id),
        )
        for rank, group in enumerate(groups, offset + 1)
        if _is_there(group, products)
    ]


def shown(reference: KeptReference | None, products: Mapping[str, ProductOut]) -> Reference | None:
    """The reference as Akin understood it."""
    if reference is None:
        return None
    if reference.product_id is None:
        return Reference(kind="upload", sha256=reference.sha256)
    return Reference(
        kind="catalogue",
        image_id=reference.image_id,
        product=products.get(reference.product_id),
        sha256=reference.sha256,
    )


def _is_there(group: Group, products: Mapping[str, ProductOut]) -> bool:
    """A gallery may hold for a moment what the catalogue has lost: SQL is the truth."""
    product = products.get(group.product_id)
    return product is not None and any(image.id == group.image_id for image in product.images)
