"""What the HTTP API says about training."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from backend.catalogue.schemas import Split

Takes = Literal["triplets", "images", "titles"]
Origin = Literal["feedback", "import", "spn-positives"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)
Value = bool | int | float | Annotated[str, StringConstraints(max_length=500)] | None


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TripletData(_Asked):
    """The accepted triplets of the catalogue.

    Those whose products are both in the split train are trained on; those of val choose the
    weights. The split test is never trained on.
    """

    kind: Literal["triplets"] = "triplets"
    splits: list[Split] = Field(
        ["train", "val"], min_length=1, max_length=3, description="Which to take; train is needed."
    )
    sources: list[Origin] = Field(
        list(ORIGINS), min_length=1, max_length=3, description="Where the triplets come from."
    )

    @model_validator(mode="after")
    def _trains(self) -> TripletData:
        if "train" not in self.splits:
            raise ValueError("the splits must include train: nothing is trained on otherwise")
        return self


class ImageData(_Asked):
    """The pictures of the catalogue's products of the split train."""

    kind: Literal["images"] = "images"


class TitleData(_Asked):
    """The titles of the catalogue's products of the split train."""

    kind: Literal["titles"] = "titles"


class FolderData(_Asked):
    """A dataset's folder on the server, below AKIN_DATASETS."""

    kind: Literal["folder"] = "folder"
    path: str = Field(min_length=1, max_length=1_000, description="Relative to AKIN_DATASETS.")


TrainingData = Annotated[
    TripletData | ImageData | TitleData | FolderData, Field(discriminator="kind")
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")]


class TrainRequest(_Asked):
    """What is to be trained, on what, and from which version."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "recipe": "combiner",
                    "preset": "small-data",
                    "parameters": {"epochs": 30},
                    "data": {"kind": "triplets", "splits": ["train", "val"]},
                    "name": "combiner of November",
                }
            ]
        },
    )

    recipe: str = Field(max_length=40)
    parameters: dict[Annotated[str, StringConstraints(max_length=50)], Value] = Field(
        {}, max_length=64, description="Options of the recipe, over those of the preset."
    )
    preset: str | None = Field(None, max_length=50)
    data: TrainingData
    parent: str | None = Field(
        None,
        max_length=100,
        description="The version to start from, by id or name; the active one.",
    )
    name: Text | None = Field(None, description="What the version is called.")
    device: Literal["auto", "cpu", "cuda"] | None = Field(
        None, description="The workers' own setting by default."
    )


class RecipeOut(BaseModel):
    """A training method, and what a form for it needs."""

    name: str
    about: str = Field(description="What it is, in one plain sentence.")
    data: str = Field(description="What it trains on, in words.")
    takes: Takes = Field(description="The part of the catalogue that it trains on.")
    parameters: dict[str, Any] = Field(description="JSON schema of its options, with defaults.")
    presets: dict[str, dict[str, Any]] = Field(description="Options for a size of data or GPU.")


class PointOut(BaseModel):
    """Where a run stood at a step."""

    step: int
    epoch: float
    loss: float | None = Field(description="The mean since the point before.")
    lr: float
    seconds: float = Field(description="Of training so far.")
    figures: dict[str, float | None] = Field(
        description="On the choosing set, in percent, if they were measured here."
    )


class CurvesOut(BaseModel):
    """The curves of a training job, thinned to what a picture can show."""

    points: list[PointOut] = Field(description="By step.")
    last_step: int = Field(
        description="Of the newest point there is. One below what `after` asked for says that the "
        "run went on from an older checkpoint: ask anew, without `after`."
    )


class LogLineOut(BaseModel):
    """A sentence of a job's log."""

    number: int
    text: str
    created_at: datetime


class LogOut(BaseModel):
    """The newest lines of a training job's log, oldest first."""

    lines: list[LogLineOut]
