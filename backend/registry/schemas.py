"""What the HTTP API says about the registry."""

from __future__ import annotations

from pydantic import BaseModel, Field


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
