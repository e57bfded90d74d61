"""What the HTTP API says about the registry."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

VersionState = Literal["training", "ready", "archived", "failed"]


class ComposerInfo(BaseModel):
    """One way to make a query of a picture and words."""

    name: str = Field(description="What a search names it by.")
    label: str = Field(description="What people call it.")
    description: str = Field(description="What it does, in one plain sentence.")


class ModelInfo(BaseModel):
    """What answers today."""

    version: str
    backbone: str
    composer: str = Field(description="The one that answers where a search names none.")
    composers: list[ComposerInfo] = Field(description="Those that a search can name.")
    fingerprint: str
    dim: int
    context_length: int
    demo: bool = Field(description="Whether it is the small demo backbone.")


class VersionOut(BaseModel):
    """A model version: what it is made of, and how it came to be."""

    id: str
    name: str
    state: VersionState
    active: bool = Field(description="Whether it is what answers: the newest deployment.")
    recipe: str = Field(description="The training method; none for a backbone as it is.")
    backbone: str
    composer: str
    parent: str | None = Field(description="The version that it was trained from.")
    gallery: str | None = Field(
        description="The gallery of its image tower, which all versions with that tower share."
    )
    fingerprint: str = Field(description="Of the image tower.")
    text_fingerprint: str | None = Field(description="Of everything else.")
    dim: int
    figures: dict[str, Any] = Field(description="Measured on held-out triplets of the catalogue.")
    error: str | None = Field(None, description="Why it failed.")
    actor: str
    created_at: datetime
    promoted_at: datetime | None = Field(description="When it last became the active one.")
