"""The catalogue in SQL: products, their images, the blobs behind them, and attribute types."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from backend.database import Base, Json, Moment

SPLITS = ("train", "val", "test")


class Product(Base):
    """One thing for sale, named by its SKU."""

    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint("split IN ('train', 'val', 'test')", name="split"),
        CheckConstraint("price IS NULL OR price >= 0", name="price"),
        CheckConstraint("(price IS NULL) = (currency IS NULL)", name="currency"),
        Index(None, "category"),
        Index(None, "split"),
        Index(None, "created_at", "id"),
        Index(None, "price"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    sku: Mapped[str] = mapped_column(String(200), unique=True)
    title: Mapped[str] = mapped_column(String(500))
    category: Mapped[str] = mapped_column(String(100))
    split: Mapped[str] = mapped_column(String(5))
    price: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    currency: Mapped[str | None] = mapped_column(String(3))
    attributes: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
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
        Index(None, "sha256"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
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


class Removal(Base):
    """An image whose row is gone and whose points, blob and thumbnails are still to go."""

    __tablename__ = "removals"

    image_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Moment)
