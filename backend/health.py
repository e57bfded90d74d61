"""Whether the service lives, is ready, and how it does."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from backend.dependencies import get_runtime
from backend.jobs.service import counts_by_state
from backend.problems import PROBLEM_RESPONSES
from backend.runtime import Runtime
from backend.search.serving import served
from backend.telemetry import JOBS

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """A plain yes."""

    status: str = "ok"


@router.get("/healthz", summary="The process lives")
def healthz() -> Health:
    """Yes, as long as it can answer at all."""
    return Health()


@router.get("/readyz", summary="Searches will be answered", responses={503: PROBLEM_RESPONSES[503]})
def readyz(request: Request, runtime: Runtime = Depends(get_runtime)) -> Health:
    """Yes, once the backbone has encoded a first time and the database answers."""
    served(getattr(request.app.state, "serving", None))
    runtime.database.ping()
    return Health()


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def metrics(runtime: Runtime = Depends(get_runtime)) -> Response:
    """Counters of requests, searches by stage, imports and jobs."""
    with runtime.database.read() as session:
        counts = counts_by_state(session)
    JOBS.clear()
    for (kind, state), count in counts.items():
        JOBS.labels(kind, state).set(count)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
