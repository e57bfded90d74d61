"""What the HTTP API says and hears about search."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from backend.catalogue.schemas import Facet, ProductOut
from backend.whole_numbers import WholeNumber

ShortText = Annotated[str, StringConstraints(max_length=200)]
Phrase = Annotated[str, StringConstraints(max_length=500)]
FilterText = Annotated[str, StringConstraints(max_length=2000)]


class SearchRequest(BaseModel):
    """A composed query: at least a reference or a text. One's own picture goes as multipart."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "reference_sku": "TEE-0042",
                    "text": "but red and with long sleeves",
                    "filters": ["category=t-shirt,longsleeve", "price=10..40"],
                    "limit": 24,
                }
            ]
        },
    )

    reference_sku: ShortText | None = Field(None, description="A product of the catalogue.")
    reference_image_id: ShortText | None = Field(None, description="One image of the catalogue.")
    text: str = Field("", max_length=2000, description="The change, in words.")
    without: list[Phrase] = Field([], max_length=5, description="What the results should not have.")
    without_weight: float = Field(0.5, strict=True, ge=0, le=2)
    strength: float = Field(
        0.0, strict=True, ge=-1, le=1, description="-1 picture only, 0 both, 1 words only."
    )
    filters: list[FilterText] = Field(
        [], max_length=50, description="`key=value`, all have to hold."
    )
    composer: ShortText | None = Field(
        None, description="One of `/v1/model`'s composers; the active version's by default."
    )
    limit: WholeNumber = Field(24, ge=1, le=100)
    offset: WholeNumber = Field(0, ge=0, lt=500)
    search_id: str | None = Field(None, description="Of an earlier answer, to page through it.")
    explain: bool = Field(True, strict=True)
    facets: bool = Field(
        False, strict=True, description="Count the values of each filter under the filters."
    )


class Share(BaseModel):
    """How much of a score comes from the picture and how much from the words (Shapley values)."""

    image: float
    text: float
    baseline: float


class SearchHit(BaseModel):
    """One product found."""

    rank: int
    score: float
    product: ProductOut
    image_id: str = Field(description="The product's image that matched best.")
    matched_images: int
    share: Share | None = None


class Reference(BaseModel):
    """The reference as Akin understood it."""

    kind: Literal["catalogue", "upload"]
    image_id: str | None = None
    product: ProductOut | None = None
    sha256: str


class SearchResponse(BaseModel):
    """The answer to a composed query."""

    search_id: str
    version: str = Field(description="The model version that answered.")
    gallery: str
    composer: str
    results: list[SearchHit]
    total: int = Field(description="Products in the search's window (at most 500 images).")
    offset: int
    reference: Reference | None
    text_cut: bool = Field(description="Whether the words went beyond what the model reads.")
    unseen_words: list[str] = Field(
        [], description="Words of the query, as typed, that the model was never trained on."
    )
    facets: list[Facet] | None = None
    timings_ms: dict[str, float] = Field(
        description="Milliseconds by stage: wait, decode, encode, compose, gallery, products, "
        "total."
    )
