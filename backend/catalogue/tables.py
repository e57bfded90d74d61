"""The catalogue in SQL: products, their images, the blobs behind them, and attribute types.

What products are filtered and counted by is kept a second time, as whole numbers: a value of a
filterable attribute has a row in `attribute_values`, and `product_values` says which products have
it. Reading JSON for every product took ten times as long at a hundred thousand products.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Numeric,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column, relationship

from backend.database import Base, Json, Moment

SPLITS = ("train", "val", "test")


def words_of(title: str, sku: str) -> str:
    """What words are looked for in, in lower case."""
    return f"{title}\n{sku}".lower()


def _words(context: DefaultExecutionContext) -> str:
    row = context.get_current_parameters()  # type: ignore[no-untyped-call]
    return words_of(row["title"], row["sku"])


class Product(Base):
    """One thing for sale, named by its SKU."""

    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint("split IN ('train', 'val', 'test')", name="split"),
        CheckConstraint("price IS NULL OR price >= 0", name="price"),
        CheckConstraint("(price IS NULL) = (currency IS NULL)", name="currency"),
        Index(None, "category", "number"),
        Index(None, "split", "number"),
        Index(None, "split", "id"),
        Index(None, "price", "number"),
        Index(None, "title", "number"),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    """Grows with every product: lists go by it, newest first. Only this database knows it."""
    id: Mapped[str] = mapped_column(String(36), unique=True)
    sku: Mapped[str] = mapped_column(String(200), unique=True)
    title: Mapped[str] = mapped_column(String(500))
    category: Mapped[str] = mapped_column(String(100))
    split: Mapped[str] = mapped_column(String(5))
    price: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    currency: Mapped[str | None] = mapped_column(String(3))
    attributes: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    words: Mapped[str] = mapped_column(Text, default=_words)
    """What `words_of` gives; whoever changes the title changes it too."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)

    images: Mapped[list[Image]] = relationship(
        back_populates="product",
        order_by="Image.position",
        cascade="all, delete-orphan",
        passive_deletes=True,
        lazy="raise",
    )


class Image(Base):
    """One picture of a product; its id is the id of its point in every gallery."""

    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("product_id", "sha256"),
        Index(None, "product_id", "id"),
        Index(None, "sha256"),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    """Grows with every image, so that an embed job finds new ones without looking at the rest."""
    id: Mapped[str] = mapped_column(String(36), unique=True)
    product_id: Mapped[str] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"))
    sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"))
    position: Mapped[int]
    revision: Mapped[int] = mapped_column(default=1)
    """Grows whenever what a gallery stores beside the vector changes (an edit of the product)."""
    created_at: Mapped[datetime] = mapped_column(Moment)

    product: Mapped[Product] = relationship(back_populates="images", lazy="raise")
    blob: Mapped[Blob] = relationship(lazy="raise")


class Blob(Base):
    """Stored image bytes, named by their SHA-256."""

    __tablename__ = "blobs"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int]
    format: Mapped[str] = mapped_column(String(16))
    width: Mapped[int]
    height: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(Moment)


class Attribute(Base):
    """A product attribute: typed when first seen; the first 32 can be filtered by."""

    __tablename__ = "attributes"
    __table_args__ = (
        CheckConstraint("kind IN ('keyword', 'integer', 'float', 'bool')", name="kind"),
    )

    slug: Mapped[str] = mapped_column(String(64), primary_key=True)
    label: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(8))
    filterable: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(Moment)


class ValueRow(Base):
    """A value that products have, or once had, in a filterable attribute."""

    __tablename__ = "attribute_values"
    __table_args__ = (UniqueConstraint("digest", "slug"), Index(None, "slug", "number"))

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    slug: Mapped[str] = mapped_column(ForeignKey("attributes.slug"))
    digest: Mapped[str] = mapped_column(String(32))
    """Of the value, since a text may be too long for an index."""
    text: Mapped[str | None] = mapped_column(Text)
    """The value of a keyword attribute."""
    number: Mapped[float | None] = mapped_column(Double)
    """The value of any other; true is 1."""


class ProductValue(Base):
    """That a product has a value; written with the product, gone with it."""

    __tablename__ = "product_values"
    __table_args__ = (Index(None, "value_id", "product_number"), {"sqlite_with_rowid": False})

    product_number: Mapped[int] = mapped_column(
        ForeignKey("products.number", ondelete="CASCADE"), primary_key=True
    )
    value_id: Mapped[int] = mapped_column(ForeignKey("attribute_values.id"), primary_key=True)


class Removal(Base):
    """An image whose row is gone and whose points, blob and thumbnails are still to go."""

    __tablename__ = "removals"

    image_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Moment)
