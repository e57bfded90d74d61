"""What a task and its child process say to one another, a line each.

The task says `do` with a work in JSON, and `stop`; the child answers with reports in JSON, of which
the last of a work is `Ended` or `Refused`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from backend.composition.card import BackboneCard

DO = b"do "
STOP = b"stop\n"

LONGEST_LINE = 64 * 1024
"""Bytes of a report; a longer one is none of ours."""


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=True)


class ModelSpec(_Said):
    """A model version as a child loads it: an artefact's folder, or a backbone with a composer of
    ours. name: what the version is called."""

    name: str
    backbone: BackboneCard
    composer: str
    folder: Path | None = None


class TrainWork(_Said):
    """One segment of a run, which goes on from the checkpoint in `out`.

    cache: of the features. segment_seconds: after so long it saves and ends.
    """

    task: Literal["train"] = "train"
    recipe: str
    parameters: dict[str, Any]
    parent: ModelSpec
    name: str
    data: Path
    out: Path
    cache: Path
    device: str
    threads: int
    segment_seconds: float


class EvaluateWork(_Said):
    """The figures of a finished model on held-out triplets, beside those of the active version.

    data: the dataset; split: which of its splits. figures: the file that they are written to.
    """

    task: Literal["evaluate"] = "evaluate"
    model: ModelSpec
    active: ModelSpec
    data: Path
    split: str
    figures: Path
    cache: Path
    device: str
    threads: int


class CompareWork(_Said):
    """Two versions on the same held-out triplets, triplet by triplet; the rest as in
    `EvaluateWork`."""

    task: Literal["compare"] = "compare"
    a: ModelSpec
    b: ModelSpec
    data: Path
    split: str
    figures: Path
    cache: Path
    device: str
    threads: int


MeasureWork = EvaluateWork | CompareWork
Work = TrainWork | MeasureWork
WORK: TypeAdapter[Work] = TypeAdapter(Annotated[Work, Field(discriminator="task")])


class Preparing(_Said):
    """What is being prepared, how much of it, and of how much."""

    event: Literal["preparing"] = "preparing"
    what: str
    done: int
    total: int


class Step(_Said):
    """Where a run stands. loss: the mean since the point before. point: whether it is one of the
    curve, which has two thousand of them at most besides those with figures."""

    event: Literal["step"] = "step"
    step: int
    steps: int
    epoch: float
    loss: float
    lr: float
    seconds: float
    rate: float
    point: bool
    figures: dict[str, float | None] = {}


class Remark(_Said):
    """A sentence about what is left out."""

    event: Literal["remark"] = "remark"
    sentence: str


class Ended(_Said):
    """How the work ended: `done`, `early`, `segment` or `cancelled`."""

    event: Literal["ended"] = "ended"
    stopped: Literal["done", "early", "segment", "cancelled"]
    steps: int = 0
    seconds: float = 0.0
    best_step: int = 0


class Refused(_Said):
    """A failure that Akin can tell. passing: whether a later try may do without it."""

    event: Literal["refused"] = "refused"
    sentence: str
    passing: bool = False


Report = Preparing | Step | Remark | Ended | Refused
REPORT: TypeAdapter[Report] = TypeAdapter(Annotated[Report, Field(discriminator="event")])
