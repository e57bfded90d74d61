"""What the HTTP API says about the registry."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

VersionName = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00-\x1f]+$")]
Reason = Annotated[str, StringConstraints(max_length=1000)]
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
    parameters: dict[str, Any] = Field({}, description="The options of its training.")
    data: dict[str, Any] = Field({}, description="What it was trained on: words, hash, counts.")
    figures: dict[str, Any] = Field(description="Measured on held-out triplets of the catalogue.")
    error: str | None = Field(None, description="Why it failed.")
    actor: str
    created_at: datetime
    promoted_at: datetime | None = Field(description="When it last became the active one.")


class VersionChange(BaseModel):
    """What of a version can be changed: what it is called, and whether it is put away."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00-\x1f]+$")] | None = (
        None
    )
    archived: bool | None = Field(
        None, strict=True, description="An archived version cannot be promoted."
    )


class PromoteRequest(BaseModel):
    """Why a version is to answer."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason = Field("", description="Kept with the deployment; needed for an override.")
    override: bool = Field(False, strict=True, description="Although the metric gate is not met.")


class RollbackRequest(BaseModel):
    """Why the version before is to answer again."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason = ""


class DeploymentOut(BaseModel):
    """One time that a version became the active one."""

    id: int
    version_id: str | None = Field(description="None once the version was deleted.")
    version: str = Field(description="Its name at that time.")
    gallery: str | None = Field(description="None once the gallery was dropped.")
    actor: str
    reason: str
    gate: dict[str, Any] = Field(description="What the metric gate said, and if it was overridden.")
    created_at: datetime


class PromotionOut(BaseModel):
    """A version that was asked to answer, and how far that is."""

    version_id: str
    version: str
    state: Literal["deployed", "waiting", "refused", "withdrawn"]
    gallery: str | None
    held: int = Field(description="Images of the active gallery that this one holds too.")
    images: int = Field(description="Images that the active gallery holds.")
    job: str | None = Field(None, description="The job that fills the gallery.")
    error: str | None = Field(None, description="Why it was refused.")
    reason: str = ""
    actor: str = ""
    created_at: datetime
