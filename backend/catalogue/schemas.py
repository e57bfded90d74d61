"""What the HTTP API says and hears about the catalogue."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from backend.accounts.signing import PicturePath
from backend.catalogue.field_types import (
    Category,
    ColumnName,
    ColumnNames,
    Currency,
    Price,
    ProductId,
    Sku,
    Title,
)

Split = Literal["train", "val", "test"]
OnConflict = Literal["update", "skip", "error"]
AttributeKind = Literal["keyword", "integer", "float", "bool"]
AttributeValue = str | int | float | bool
ManifestField = Literal["sku", "image", "title", "category", "split", "price", "currency"]
TextEncoding = Literal["windows-1252"]
ProductSort = Literal["newest", "oldest", "sku", "title"]

_SHA256_EXAMPLE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class ImageOut(BaseModel):
    """A picture of a product; its URLs never change their content."""

    id: str
    sha256: str
    width: int
    height: int
    thumbnail: PicturePath = Field(description="Path of a picture of at most 384 pixels a side.")
    preview: PicturePath = Field(description="Path of a picture of at most 1,200 pixels a side.")
    embedded: bool = Field(description="Whether search can find it already.")
    problem: str | None = Field(None, description="Why it could not be encoded, if it could not.")


class ProductOut(BaseModel):
    """A product with its images."""

    id: str
    sku: str
    title: str
    category: str
    split: Split
    price: Decimal | None
    currency: str | None
    attributes: dict[str, AttributeValue]
    images: list[ImageOut]
    created_at: datetime
    updated_at: datetime


class ProductFields(BaseModel):
    """The fields a manifest row, the API or the UI may give for a product; None means not given."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    category: Category | None = None
    split: Split | None = None
    price: Price | None = None
    currency: Currency | None = None
    attributes: dict[str, AttributeValue] | None = None


class ProductCreate(ProductFields):
    """A new product; images are added to it afterwards."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "sku": "TEE-0042",
                    "title": "Red striped T-shirt",
                    "category": "t-shirt",
                    "split": "train",
                    "price": "19.90",
                    "currency": "EUR",
                    "attributes": {"colour": "red", "pattern": "striped"},
                }
            ]
        },
    )

    sku: Sku
    title: Title
    category: Category = "uncategorised"
    split: Split = "train"


class ProductUpdate(ProductFields):
    """The fields to change; those left out stay. An attribute set to null goes away."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"split": "val", "title": "Red tee"}]}
    )

    attributes: dict[str, AttributeValue | None] | None = None  # type: ignore[assignment]

    @model_validator(mode="after")
    def _something(self) -> ProductUpdate:
        if not self.model_fields_set:
            raise ValueError("name at least one field to change")
        return self


class BulkEdit(BaseModel):
    """The same change to many products, or their deletion."""

    product_ids: list[ProductId] = Field(min_length=1, max_length=1000)
    split: Split | None = None
    category: Category | None = None
    delete: bool = False


class BulkResult(BaseModel):
    """How many products a bulk edit changed."""

    changed: int


class FacetValue(BaseModel):
    """One value of a field, and how many products have it."""

    value: AttributeValue
    count: int


class Facet(BaseModel):
    """A field that can be filtered by."""

    key: str
    label: str
    kind: AttributeKind
    values: list[FacetValue] = []
    minimum: float | None = None
    maximum: float | None = None


class AttributeDeclaration(BaseModel):
    """An attribute as an export writes it down, so that an import makes the same of it."""

    slug: str = Field(min_length=1, max_length=64)
    label: str = Field(min_length=1, max_length=100)
    kind: AttributeKind


class ManifestOptions(BaseModel):
    """How manifests are to be read, where guessing does not do."""

    columns: dict[ManifestField, ColumnNames] = Field(
        default_factory=dict,
        description="Field to the column that gives it, for `image` also several; null or an "
        "empty list: none. Fields that are not named are guessed.",
    )
    ignored_columns: list[ColumnName] = Field(default_factory=list, max_length=1000)
    currency: Currency | None = Field(None, description="Of prices that come without one.")
    encoding: TextEncoding | None = Field(None, description="Of manifests that are not UTF-8.")


class ImportCreate(ManifestOptions):
    """Opens an import. Category and split apply to files that say nothing themselves."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"on_conflict": "update", "split": "train", "columns": {"sku": "Artikelnummer"}}
            ]
        }
    )

    on_conflict: OnConflict = "update"
    category: Category | None = None
    split: Split | None = None


class FileClaim(BaseModel):
    """A file the client holds: its name (relative path), SHA-256 and size in bytes."""

    name: str = Field(min_length=1, max_length=1000)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class FileClaims(BaseModel):
    """Files to be imported; at most a thousand at a time."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"files": [{"name": "dress/7.jpg", "sha256": _SHA256_EXAMPLE, "size": 81234}]}
            ]
        }
    )

    files: list[FileClaim] = Field(min_length=1, max_length=1000)


class FilesWanted(BaseModel):
    """The SHA-256 of those claimed files whose bytes Akin does not have yet."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"missing": [_SHA256_EXAMPLE]}]})

    missing: list[str]


class CatalogueSummary(BaseModel):
    """How full the catalogue is."""

    products: int
    images: int
    embedded: int = Field(description="Images that search can find.")
    unreadable: int = Field(description="Images that cannot be encoded.")
    categories: dict[str, int]
    splits: dict[str, int]


class ExportSize(BaseModel):
    """How much an export would be."""

    products: int
    images: int
    bytes: int = Field(description="Of all images together, each counted once.")
    zip_problem: str | None = Field(
        None, description="Why a zip of it could not be imported again, if so, and what to do."
    )
    folder_problem: str | None = Field(None, description="The same of a folder.")


JsonObject = dict[str, Any]
