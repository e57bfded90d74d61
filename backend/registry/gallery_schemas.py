"""What the HTTP API says about galleries and how far they hold the catalogue."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from backend.jobs.schemas import JobOut


class RefusedImage(BaseModel):
    """An image that a gallery cannot hold, and why."""

    image_id: str
    product_id: str
    sku: str
    reason: str


class GalleryOut(BaseModel):
    """A gallery and how much of the catalogue it holds, counted now."""

    id: str
    fingerprint: str = Field(description="Of the image tower whose vectors it holds.")
    dim: int
    active: bool = Field(description="Whether it is searched today.")
    versions: list[str] = Field(description="The newest model versions that share it, by name.")
    created_at: datetime
    images: int = Field(description="In the catalogue.")
    embedded: int = Field(description="Images that it holds at their current revision.")
    stale: int = Field(description="Images edited since it last looked at them.")
    missing: int = Field(description="Images that it neither holds nor has refused.")
    refused: int = Field(description="Images that cannot be encoded, or whose bytes are lost.")
    share: float = Field(description="Embedded of all images, 0 to 1.")
    complete: bool = Field(description="Whether nothing is missing or stale: it may be promoted.")
    held: int = Field(description="Points that it should have: of images not missing or refused.")
    points: int | None = Field(None, description="In the store; null where it does not answer.")
    layout: str | None = Field(None, description="How the store keeps it: shards, codes, graph.")
    problem: str | None = Field(None, description="Why the store's gallery cannot be counted.")
    refusals: list[RefusedImage] = Field(description="The first of the refused images.")
    job: JobOut | None = Field(None, description="The embed job that is at work on it or waits.")
    found: dict[str, int] | None = Field(
        None,
        description="What the last reconciliation found in it, by kind; null where it was not "
        "part of one.",
    )


class GalleriesOut(BaseModel):
    """Every gallery, and how the last comparison with the catalogue went."""

    galleries: list[GalleryOut]
    reconciling: JobOut | None = Field(None, description="The reconciliation that is under way.")
    reconciled: JobOut | None = Field(None, description="The last one that came to its end.")
