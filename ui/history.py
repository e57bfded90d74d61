"""A visit as steps one can walk back: what was asked, in the order it was asked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from backend.catalogue.schemas import ProductOut
from backend.search.schemas import SearchRequest


@dataclass(frozen=True)
class Reference:
    """The picture a query starts from: an image of the catalogue, or one's own bytes.

    `thumbnail` is what an `<img>` shows: a URL of the API, or a data URI for one's own picture.
    """

    title: str
    thumbnail: str
    image_id: str | None = None
    upload: bytes | None = None


@dataclass(frozen=True)
class Query:
    """One composed query, without the filters: they belong to the visit, not to the step."""

    reference: Reference | None = None
    text: str = ""
    without: tuple[str, ...] = ()
    strength: float = 0.0
    composer: str | None = None
    """How picture and words become one query; None as the active version does it."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to search by."""
        return self.reference is None and not self.text

    def request(self, filters: list[str], limit: int) -> SearchRequest:
        """What the API is asked for the first page."""
        both = self.reference is not None and bool(self.text)
        return SearchRequest.model_validate(
            {
                "reference_image_id": self.reference.image_id if self.reference else None,
                "text": self.text,
                "without": self.without,
                "strength": self.strength if both else 0.0,
                "composer": self.composer if both else None,
                "filters": filters,
                "limit": limit,
            }
        )


@dataclass
class History:
    """The steps of a visit and which of them is shown; asking anew drops the steps after it."""

    steps: list[Query] = field(default_factory=lambda: [Query()])
    position: int = 0

    @property
    def current(self) -> Query:
        """The query that is shown."""
        return self.steps[self.position]

    def push(self, query: Query) -> None:
        """Take a new step from the current one."""
        if query != self.current:
            self.steps[self.position + 1 :] = [query]
            self.position += 1

    def adjust(self, **change: Any) -> None:
        """Change the current step in place: its strength, its composer, or what it should be
        without."""
        self.steps[self.position] = replace(self.current, **change)

    def go(self, position: int) -> None:
        """Walk to a step, back or forth."""
        self.position = max(0, min(position, len(self.steps) - 1))


def reference_to(product: ProductOut, image_id: str, thumbnail: str) -> Reference:
    """A product's image as reference."""
    return Reference(title=product.title, thumbnail=thumbnail, image_id=image_id)
