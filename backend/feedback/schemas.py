"""What the HTTP API says and hears about feedback and triplets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from backend.accounts.signing import PicturePath
from backend.catalogue.schemas import Split
from backend.whole_numbers import WholeNumber

TripletState = Literal["candidate", "accepted", "rejected"]
TripletSource = Literal["feedback", "import", "spn-positives"]
TripletSplit = Literal["train", "val", "test", "mixed"]
TripletOrder = Literal["newest", "best", "worst"]
TripletFormat = Literal["fashioniq", "cirr", "akin"]
PictureNames = Literal["sku", "image"]

Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Score = Annotated[float, Field(ge=0, le=1)]
_StrictScore = Annotated[float, Field(strict=True, ge=0, le=1)]

MOST_REVIEWED = 1000
"""Triplets that are reviewed at once by their ids."""


class FeedbackCreate(BaseModel):
    """What a shopper says about one result: "this is the one", or "not this".

    With the search id of an answer that is still kept, the query is what was really asked; without
    it, it is what is said here.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "search_id": "5cJ0rjE1o9yWlJcW9cXk3A",
                    "image_id": "5d2b5a0e-4b8f-4a54-8f5e-6f2f0d9a1c3b",
                    "is_target": True,
                    "session": "3f2504e0",
                }
            ]
        },
    )

    image_id: Id = Field(description="The image that was shown.")
    is_target: bool = Field(True, strict=True, description='False says "not this".')
    search_id: Id | None = Field(None, description="Of the answer that showed it.")
    reference_image_id: Id | None = Field(None, description="Without a search id: the reference.")
    text: str = Field("", max_length=2000, description="Without a search id: the change, in words.")
    session: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        None, description="One visit; the same click twice in it changes nothing."
    )


class FeedbackUpload(FeedbackCreate):
    """The same of a search that began with a picture of one's own."""

    reference_image_id: None = Field(None, exclude=True)
    keep_picture: bool = Field(
        False,
        strict=True,
        description="Consent: the picture is kept with the triplet until it is rejected.",
    )


class TripletPicture(BaseModel):
    """One side of a triplet: an image of the catalogue, or a picture that was uploaded."""

    image_id: str | None = Field(None, description="None for an uploaded picture.")
    sha256: str | None = Field(None, description="None once an uploaded picture was let go.")
    thumbnail: PicturePath | None = None
    product_id: str | None = None
    sku: str | None = None
    title: str | None = None
    split: Split | None = None


class TripletOut(BaseModel):
    """Reference image, relative caption, target image, and what is known about them."""

    id: str
    state: TripletState
    source: TripletSource
    reference: TripletPicture
    caption: str
    target: TripletPicture
    is_target: bool = Field(description='False for "not this": the target is not what was meant.')
    split: TripletSplit = Field(
        description="That of its products; mixed where they are in different ones."
    )
    text: str = Field(description="The words as they were typed.")
    without: list[str] = []
    strength: float = 0.0
    session: str | None = None
    model_version: str | None = Field(None, description="Whose answer was judged.")
    composer: str | None = Field(None, description="How picture and words were combined.")
    gallery: str | None = None
    rank: int | None = Field(None, description="The place at which the target was shown.")
    score: float | None = Field(
        None, description="0 to 1: whether the target lies where the words lead; None: not scored."
    )
    score_parts: dict[str, Any] = Field({}, description="What the score is made of.")
    reasons: list[str] = Field([], description="The same in words, for people.")
    actor: str
    created_at: datetime
    reviewed_by: str | None = None
    reviewed_at: datetime | None = None


class TripletUpdate(BaseModel):
    """What a review may change; an edited sentence is scored again by the next scoring."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"state": "accepted", "caption": "in dark red"}]},
    )

    state: TripletState | None = None
    caption: Sentence | None = None


class TripletFilter(BaseModel):
    """Which triplets; all that is given has to hold."""

    model_config = ConfigDict(extra="forbid")

    state: TripletState | None = None
    source: TripletSource | None = None
    split: TripletSplit | None = None
    is_target: bool | None = Field(None, strict=True)
    score_at_least: _StrictScore | None = None
    score_below: _StrictScore | None = None


class ReviewRequest(BaseModel):
    """One decision about many triplets: those named, or candidates under a filter."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"state": "accepted", "filter": {"score_at_least": 0.8}, "limit": 500}],
            "oneOf": [
                {"required": ["ids"], "properties": {"ids": {"type": "array"}}},
                {"required": ["filter"], "properties": {"filter": {"type": "object"}}},
            ],
        },
    )

    state: TripletState
    ids: list[Id] | None = Field(None, min_length=1, max_length=MOST_REVIEWED)
    filter: TripletFilter | None = Field(
        None, description="Of candidates only, where it names no state."
    )
    limit: WholeNumber = Field(
        1000, ge=1, le=10_000, description="At most so many, the best first."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> ReviewRequest:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give either ids or a filter")
        return self


class ReviewResult(BaseModel):
    """What a review in bulk did."""

    changed: int
    left: int = Field(description="How many the filter still matches: ask again for them.")


class TripletSummary(BaseModel):
    """How many triplets there are."""

    states: dict[str, int]
    sources: dict[str, int]
    accepted_splits: dict[str, int] = Field(
        description="Accepted triplets that training or measuring takes, by split; mixed ones are "
        "in neither."
    )
    accepted_against: int = Field(description='Accepted ones that say "not this".')
    unscored: int = Field(description="Candidates that no scoring has looked at.")


class RefusedRow(BaseModel):
    """A row of an imported file that became no triplet."""

    row: int
    reason: str


class TripletImport(BaseModel):
    """What an import made of a file."""

    format: TripletFormat
    rows: int
    created: int
    unchanged: int = Field(description="Sentences that were there already.")
    refused: int
    refusals: list[RefusedRow] = Field(description="The first hundred.")


class HoldOut(BaseModel):
    """Move a share of the accepted triplets, with their products, out of training."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"split": "val", "share": 0.2}]}
    )

    split: Literal["val", "test"] = "val"
    share: float = Field(0.2, strict=True, gt=0, le=0.9, description="Of the accepted triplets.")


class HeldOut(BaseModel):
    """What was held out."""

    products: int = Field(description="Products that were moved now.")
    triplets: int = Field(description="Accepted triplets in the split now.")
    accepted: int = Field(description="Accepted triplets in all.")
