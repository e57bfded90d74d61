"""What the HTTP API says about one query asked of two versions."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from backend.search.schemas import SearchRequest, SearchResponse

VersionId = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class CompareSearchRequest(BaseModel):
    """A composed query, and the two versions by id that are to answer it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"query": {"reference_sku": "TEE-0042", "text": "but red", "limit": 12}}]
        },
    )

    query: SearchRequest
    versions: list[VersionId] | None = Field(
        None,
        min_length=2,
        max_length=2,
        description="By default the active version, and the one before it.",
    )


class ComparedAnswer(BaseModel):
    """What one of the versions answers."""

    version_id: str
    answer: SearchResponse
    other_ranks: dict[str, int | None] = Field(
        description="By id of each product in the answer: its rank in the other answer's window, "
        "null where it is not in it."
    )


class ComparedSearch(BaseModel):
    """Both answers, in the order of the versions asked for."""

    answers: list[ComparedAnswer] = Field(min_length=2, max_length=2)
