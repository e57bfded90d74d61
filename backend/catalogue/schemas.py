"""What the HTTP API says and hears about the catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from backend.accounts.signing import PicturePath
from backend.catalogue.unicode_forms import normalised
from backend.whole_numbers import WholeNumber

Split = Literal["train", "val", "test"]
OnConflict = Literal["update", "skip", "error"]
AttributeKind = Literal["keyword", "integer", "float", "bool"]
AttributeValue = str | int | float | bool
ManifestField = Literal["sku", "image", "title", "category", "split", "price", "currency"]
TextEncoding = Literal["windows-1252"]
ProductSort = Literal["newest", "oldest", "sku", "title"]


def composed(text: str) -> str:
    """In Unicode's composed form (NFC), so that what looks the same is the same."""
    return normalised("NFC", text)


def sku_form(text: str) -> str:
    """The one form that SKUs are stored and looked up in: composed, and each run of blanks as one,
    since no screen shows a difference."""
    return re.sub(" +", " ", composed(text)).strip()


def _texts(change: Callable[[str], str]) -> BeforeValidator:
    """To stand behind the constraints, since pydantic goes through what is before a value last to
    first; what is no text is left to them."""
    return BeforeValidator(lambda value: change(value) if isinstance(value, str) else value)


def _printable(sku: str) -> str:
    if not sku.isprintable():
        raise ValueError("every character must be one that can be printed")
    return sku


def _as_list(value: Any) -> Any:
    if value is None or (isinstance(value, str) and not value.strip()):
        return []
    return [value] if isinstance(value, str) else value


Sku = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    _texts(sku_form),
    AfterValidator(_printable),
]
"""In one form: see `sku_form`. Upper and lower case are different SKUs."""
ColumnName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_ColumnNames = Annotated[list[ColumnName], Field(max_length=50)]
_OneColumn = Annotated[str, Field(max_length=200)]
ColumnNames = Annotated[
    _ColumnNames,
    BeforeValidator(_as_list, json_schema_input_type=_ColumnNames | _OneColumn | None),
]
ProductId = Annotated[str, StringConstraints(max_length=36)]
Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), _texts(composed)
]
Category = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), _texts(composed)
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Price = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)]

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
        extra="forbid",
        json_schema_extra={
            "minProperties": 1,
            "examples": [{"split": "val", "title": "Red tee"}],
        },
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
    delete: bool = Field(False, strict=True)


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
    size: WholeNumber = Field(ge=0)


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
