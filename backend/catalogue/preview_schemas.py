"""What the HTTP API says about a manifest before it is imported."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from backend.catalogue.schemas import (
    AttributeKind,
    ManifestField,
    ManifestOptions,
    OnConflict,
    ProductFields,
)

MAX_PICTURES = 1_000_000

ColumnUse = ManifestField | Literal["attribute", "ignored"]


class PreviewRequest(ManifestOptions):
    """How to read the manifest that is looked at before it is imported."""

    name: str | None = Field(
        None, max_length=1000, description="Its path in the import; else its file name."
    )
    pictures: list[Annotated[str, StringConstraints(max_length=1000)]] | None = Field(
        None,
        max_length=MAX_PICTURES,
        description="The names of the pictures that come along, if known.",
    )
    on_conflict: OnConflict = Field("update", description="As the import will be told.")


def named_pictures(names: Collection[str]) -> list[str] | None:
    """What a request says of the pictures that come along: nothing where they are too many."""
    return list(names) if len(names) <= MAX_PICTURES else None


class ColumnPreview(BaseModel):
    """What becomes of one column."""

    name: str
    use: ColumnUse
    chosen_by: Literal["name", "content", "you"] | None = Field(
        description="What the field was told by; null for attributes."
    )
    kind: AttributeKind | None = Field(None, description="What an attribute's values are read as.")
    filled: int = Field(description="Rows that say something in it.")
    examples: list[str]
    problem: str | None = Field(None, description="Why its values are refused, if they are.")


class ProductPreview(ProductFields):
    """What a row would become."""

    row: int
    sku: str
    images: list[str] = Field(description="Names of its pictures inside the import.")
    exists: bool = Field(description="Whether the catalogue has this SKU already.")


class RowProblem(BaseModel):
    """A row that would be refused, and why."""

    row: int
    sku: str
    sentence: str


class ManifestPreview(BaseModel):
    """A manifest as an import would take it; nothing is written."""

    name: str
    encoding: str
    delimiter: str | None
    rows: int
    good: int = Field(0, description="Products that would be made or changed.")
    bad: int = Field(0, description="Rows that would be refused.")
    existing: int = Field(0, description="Of the good ones, those the catalogue has already.")
    skipped: int = Field(0, description="Products that would be left as they are.")
    absent: int = Field(0, description="Rows that name pictures that did not come along.")
    missing: list[ManifestField] = Field(description="Required fields that no column gives.")
    refusal: str | None = Field(None, description="Why nothing of it can be read, if so.")
    columns: list[ColumnPreview]
    products: list[ProductPreview] = Field(default=[], description="The first ones.")
    problems: list[RowProblem] = Field(default=[], description="The first ones.")


class PictureNames(BaseModel):
    """Pictures that no manifest describes, by their names in the import."""

    names: list[Annotated[str, StringConstraints(min_length=1, max_length=1000)]] = Field(
        max_length=100
    )


class PicturePreview(BaseModel):
    """The product that a picture would become, told by its name."""

    name: str
    sku: str
    title: str
    category: str | None
    split: str | None
