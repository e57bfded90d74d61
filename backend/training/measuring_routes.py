"""Measuring and comparing finished versions on held-out triplets, over HTTP."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from backend.accounts.actor import Actor, require
from backend.dependencies import get_runtime
from backend.jobs import service as jobs
from backend.jobs.schemas import JobOut
from backend.problems import PROBLEM_RESPONSES
from backend.runtime import Runtime
from backend.training import measuring
from backend.training.measuring_schemas import CompareRequest

router = APIRouter(
    prefix="/v1/models",
    tags=["model"],
    responses={status: PROBLEM_RESPONSES[status] for status in (403, 404, 409, 422)},
)
_ADMIN = Depends(require("admin"))


def _example(kind: str, **parameters: Any) -> dict[int | str, dict[str, Any]]:
    job = {
        "id": "0198c3a4-58f2-4f6e-9d0b-0c2f5a6f7e13",
        "kind": kind,
        "state": "queued",
        "stage": None,
        "done": 0,
        "failed": 0,
        "total": None,
        "error": None,
        "attempts": 0,
        "parameters": parameters,
        "result": {},
        "actor": "ann",
        "created_at": "2026-01-01T12:00:00Z",
        "started_at": None,
        "finished_at": None,
        "rate": None,
        "seconds_left": None,
    }
    return {202: {"content": {"application/json": {"example": job}}}}


@router.post(
    "/{version_id}/measure",
    status_code=202,
    summary="Measure a version on held-out triplets",
    responses=_example("evaluate", version="combiner of November"),
)
def measure(
    version_id: str, actor: Actor = _ADMIN, runtime: Runtime = Depends(get_runtime)
) -> JobOut:
    """As the end of a training does: beside the picture alone, the words alone and the active
    version. Once the job is done, the version's figures say it and the gate goes by them.

    Asked again meanwhile, the answer is the job that is under way.
    """
    with runtime.database.write() as session:
        return jobs.to_schema(measuring.measure(session, runtime.queue, version_id, actor.name))


@router.post(
    "/compare",
    status_code=202,
    summary="Compare two versions over all held-out triplets",
    responses=_example("compare", versions=["akin-demo · sum", "combiner of November"]),
)
def compare(
    request: CompareRequest, actor: Actor = _ADMIN, runtime: Runtime = Depends(get_runtime)
) -> JobOut:
    """Both answer the same triplets. The result of the job, a `Comparison`, has the figures of
    both, what B wins and loses against A, the sign test, and the largest gains and losses."""
    with runtime.database.write() as session:
        return jobs.to_schema(measuring.compare(session, runtime.queue, request, actor.name))
