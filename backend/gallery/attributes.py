"""Which attributes of a gallery are indexed, and what follows from an attribute's kind."""

from __future__ import annotations

from collections.abc import Mapping

from backend.errors import Conflict, InvalidInput
from backend.gallery.filters import BUILT_IN_KEYS, Kind

ATTRIBUTE_PREFIX = "attributes."


def is_indexed(slug: str, kind: Kind, indexed: Mapping[str, Kind]) -> bool:
    """Whether `slug` has its index already; raises `Conflict` if it has one of another kind."""
    existing = indexed.get(slug, kind)
    if existing != kind:
        raise Conflict(
            f"Attribute '{slug}' is indexed as {existing} and cannot become {kind}: "
            "give it another name."
        )
    return slug in indexed


def facet_kind(key: str, indexed: Mapping[str, Kind]) -> Kind:
    """The kind of the values of `key`; raises `InvalidInput` where there are no facets."""
    kind = "keyword" if key in BUILT_IN_KEYS else indexed.get(key.removeprefix(ATTRIBUTE_PREFIX))
    if kind is None:
        raise InvalidInput(
            f"There are no facets over '{key}': it is neither one of {', '.join(BUILT_IN_KEYS)} "
            "nor an indexed attribute."
        )
    if kind == "float":
        raise InvalidInput(f"There are no facets over '{key}': its values are not whole numbers.")
    return kind
