"""What the HTTP API says about the registry."""

from __future__ import annotations

from pydantic import BaseModel, Field


class ModelInfo(BaseModel):
    """What answers today."""

    version: str
    backbone: str
    composer: str
    composers: list[str]
    fingerprint: str
    dim: int
    context_length: int
    demo: bool = Field(description="Whether it is the small demo backbone.")
