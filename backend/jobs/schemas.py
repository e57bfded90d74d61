"""What the HTTP API says about jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

JobState = Literal["collecting", "queued", "running", "cancelling", "cancelled", "done", "failed"]
JobKind = Literal[
    "ingest", "embed", "reembed", "reconcile", "score", "train", "evaluate", "compare"
]
EMBEDS = ("embed", "reembed")
"""Both bring a gallery into line with the catalogue; the second one that nobody searches yet."""
TRAIN = "train"
"""The kind of a training job, whose subject is the model version that it makes."""
EVALUATE, COMPARE = "evaluate", "compare"
"""Kinds of jobs that measure model versions on held-out triplets: one, or one against another."""
PROGRESS = "progress"
"""The key in a running job's result under which its worker says how fast it is."""
RELEASED = "released"
"""The key in a finished job's result that says that its files are not kept: no retry has them."""
GALLERIES = "galleries"
"""The key in a reconciliation's result under which stands what was found in each gallery."""
FINISHED: frozenset[str] = frozenset({"cancelled", "done", "failed"})


class JobOut(BaseModel):
    """A job as it stands now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0198c3a4-58f2-4f6e-9d0b-0c2f5a6f7e11",
                    "kind": "ingest",
                    "subject": None,
                    "state": "running",
                    "stage": "importing",
                    "done": 480,
                    "failed": 2,
                    "total": 1500,
                    "error": None,
                    "attempts": 1,
                    "parameters": {"on_conflict": "update", "category": None, "split": None},
                    "result": {},
                    "actor": "ann",
                    "created_at": "2026-01-01T12:00:00Z",
                    "started_at": "2026-01-01T12:00:02Z",
                    "finished_at": None,
                    "rate": 47.4,
                    "seconds_left": 21.5,
                }
            ]
        }
    )

    id: str
    kind: JobKind
    subject: str | None = Field(
        None, description="What it works on: a gallery, or the model version that it trains."
    )
    state: JobState
    stage: str | None = Field(description="What it is doing, in words.")
    done: int = Field(
        description="Items finished, the failed ones included; while it checks, zips and lists."
    )
    failed: int = Field(description="Items refused; see the job's items for the reasons.")
    total: int | None = Field(description="Items in all, once known.")
    error: str | None
    attempts: int
    parameters: dict[str, Any]
    result: dict[str, Any]
    actor: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    rate: float | None = Field(
        None, description="Items a second over the last half minute of work, once known."
    )
    seconds_left: float | None = Field(
        None, description="Of this stage, at that rate; never negative."
    )

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen unless somebody retries it."""
        return self.state in FINISHED


class ReconcileRequest(BaseModel):
    """What a reconciliation is to do."""

    mend: bool = Field(True, strict=True, description="Else it only looks and reports.")
    deep: bool = Field(
        False,
        strict=True,
        description="Read every vector and every byte as well; takes much longer.",
    )


class JobItemOut(BaseModel):
    """One line of a job's report."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "position": 17,
                    "name": "products.csv, row 19 (TEE-0042)",
                    "state": "failed",
                    "outcome": "refused",
                    "reason": "products.csv, row 19: column image is empty: every row needs a "
                    "picture.",
                }
            ]
        }
    )

    position: int
    name: str
    state: Literal["pending", "done", "failed"]
    outcome: str | None
    reason: str | None
