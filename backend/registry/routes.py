"""The registry over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from backend.accounts.actor import require
from backend.dependencies import get_runtime, get_serving
from backend.paging import Page
from backend.problems import PROBLEM_RESPONSES
from backend.registry import service
from backend.registry.schemas import ModelInfo, VersionOut, VersionState
from backend.registry.versions import find_version, list_versions
from backend.runtime import Runtime
from backend.search.serving import Serving

router = APIRouter(
    prefix="/v1",
    tags=["model"],
    responses=PROBLEM_RESPONSES,
    dependencies=[Depends(require("shopper"))],
)

_EXAMPLE = {
    "version": "akin-demo · sum",
    "backbone": "akin-demo",
    "composer": "sum",
    "composers": [
        {
            "name": "sum",
            "label": "Sum of picture and words",
            "description": "Looks for what is near to the picture and to the words, both alike.",
        }
    ],
    "fingerprint": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "dim": 256,
    "context_length": 77,
    "demo": True,
}

_VERSION = {
    "id": "0b9f2f0e-6d0c-4f59-9a3f-2f6b8a1b7c11",
    "name": "combiner of November",
    "state": "ready",
    "active": True,
    "recipe": "combiner",
    "backbone": "akin-demo",
    "composer": "combiner",
    "parent": "akin-demo · sum",
    "gallery": "g-9f86d081884c",
    "fingerprint": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "text_fingerprint": "7107fa55ec9244cbd0c5df0a9a6a59ac8f2f3a0a4d7b3d0f6b9be1b0a4fe7d13",
    "dim": 256,
    "parameters": {"lr": 0.00002},
    "data": {"description": "an exported catalogue", "counts": {"triplets": 1800}},
    "figures": {"R@10": 98.5},
    "error": None,
    "actor": "local",
    "created_at": "2026-11-26T12:00:00Z",
    "promoted_at": "2026-11-26T12:30:00Z",
}
VERSION_ANSWER = {"content": {"application/json": {"example": _VERSION}}}
_VERSIONS = {"items": [_VERSION], "next_cursor": None, "total": 1}


@router.get(
    "/model",
    summary="What answers today",
    responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}},
)
def get_model(serving: Serving = Depends(get_serving)) -> ModelInfo:
    """The active model version, its backbone and the composers it can answer with."""
    with serving.using() as answering:
        return service.model_info(answering.active, answering.model)


@router.get(
    "/models",
    summary="The model versions",
    dependencies=[Depends(require("admin"))],
    responses={200: {"content": {"application/json": {"example": _VERSIONS}}}},
)
def get_versions(
    state: VersionState | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    runtime: Runtime = Depends(get_runtime),
) -> Page[VersionOut]:
    """One page of the versions, newest first."""
    with runtime.database.read() as session:
        return list_versions(session, state=state, cursor=cursor, limit=limit)


@router.get(
    "/models/{version_id}",
    summary="One model version",
    dependencies=[Depends(require("admin"))],
    responses={200: VERSION_ANSWER},
)
def get_version(version_id: str, runtime: Runtime = Depends(get_runtime)) -> VersionOut:
    """What it is made of, where it comes from, and whether it answers."""
    with runtime.database.read() as session:
        return find_version(session, version_id)
